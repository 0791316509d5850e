import type { AnyDocument, AnyModel } from '../definition/definition';
import * as indexes from '../indexes/ensure';
import type { TaskVerbs } from '../model/verbs';
import * as pops from '../pop/pop';
import { pushNew, type PushOptions, pushTask } from '../push/push';
import { requeueFailed } from '../push/requeue-many';
import * as queues from '../queue/queue';
import * as holds from '../settle/hold';
import * as recurrences from '../settle/recurrence';
import * as settles from '../settle/verbs';
import * as histories from '../side/history';
import * as pauses from '../side/pause';
import * as registry from '../side/workers';
import * as figures from '../stats';
import * as handles from '../task/handle';
import * as blockings from '../waiting/blocked-by';

/** Queues a document, or new documents of a model. See `TaskVerbs.push`. */
export const push = function push(first: AnyModel | AnyDocument, ...rest: unknown[]) {
  return typeof first === 'function'
    ? pushNew(first, rest[0], rest[1] as PushOptions | undefined)
    : pushTask(first, rest[0] as PushOptions | undefined);
} as TaskVerbs['push'];

export const pop = pops.pop as TaskVerbs['pop'];
export const popMany = pops.popMany as TaskVerbs['popMany'];
export const isEmpty = pops.isEmpty as TaskVerbs['isEmpty'];
export const queue = queues.queue as TaskVerbs['queue'];
export const finish = settles.finish as TaskVerbs['finish'];
export const fail = settles.fail as TaskVerbs['fail'];
export const retry = settles.retry as TaskVerbs['retry'];
export const release = settles.release as TaskVerbs['release'];
export const renew = holds.renew as TaskVerbs['renew'];
export const lease: TaskVerbs['lease'] = handles.lease;
export const attempts: TaskVerbs['attempts'] = handles.attempts;
export const failures: TaskVerbs['failures'] = handles.failures;
export const ensureTaskIndexes = indexes.ensureTaskIndexes as TaskVerbs['ensureTaskIndexes'];
export const stats = figures.stats as TaskVerbs['stats'];
export const pause = pauses.pause as TaskVerbs['pause'];
export const resume = pauses.resume as TaskVerbs['resume'];
export const paused = pauses.paused as TaskVerbs['paused'];
export const history = histories.history as TaskVerbs['history'];
export const workers = registry.workers as TaskVerbs['workers'];
export const requeue = requeueFailed as TaskVerbs['requeue'];
export const blocked = blockings.blocked as TaskVerbs['blocked'];
export const blockedBy = blockings.blockedBy as TaskVerbs['blockedBy'];
export const progress = holds.progress as TaskVerbs['progress'];
export const unschedule = recurrences.unschedule as TaskVerbs['unschedule'];
export const lastProgress: TaskVerbs['lastProgress'] = handles.lastProgress;
