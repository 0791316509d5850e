import { type CancelOptions, cancelTask } from '../cancel/cancel';
import { cancelMany, type CancelManyOptions } from '../cancel/cancel-many';
import * as cancels from '../cancel/cancelled';
import { ensureDeployed } from '../cancel/start-by-index';
import type { AnyDocument, AnyModel, Filter } from '../definition/definition';
import type { TaskVerbs } from '../model/verbs';
import * as pops from '../pop/pop';
import * as keys from '../push/find-by-key';
import type { PushOptions } from '../push/options';
import { pushNew, pushTask } from '../push/push';
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

/** Queues a document, or what a model makes of the input. See {@link TaskStatics.push} and {@link TaskMethods.push}. */
export const push = function push(first: AnyModel | AnyDocument, ...rest: unknown[]) {
  return typeof first === 'function'
    ? pushNew(first, rest[0], rest[1] as PushOptions | undefined)
    : pushTask(first, rest[0] as PushOptions | undefined);
} as TaskVerbs['push'];

/** Cancels a task, or the tasks of a model that match a filter. See {@link TaskStatics.cancel} and {@link TaskMethods.cancel}. */
export const cancel = function cancel(first: AnyModel | AnyDocument, ...rest: unknown[]) {
  return typeof first === 'function'
    ? cancelMany(first, rest[0] as Filter, rest[1] as CancelManyOptions | undefined)
    : cancelTask(first, rest[0] as CancelOptions | undefined);
} as TaskVerbs['cancel'];

/** Takes the next ready task. See {@link TaskStatics.pop}. */
export const pop = pops.pop as TaskVerbs['pop'];
/** Takes several ready tasks. See {@link TaskStatics.popMany}. */
export const popMany = pops.popMany as TaskVerbs['popMany'];
/** Tells whether nothing can be popped now. See {@link TaskStatics.isEmpty}. */
export const isEmpty = pops.isEmpty as TaskVerbs['isEmpty'];
/** Takes ready tasks for ever. See {@link TaskStatics.queue}. */
export const queue = queues.queue as TaskVerbs['queue'];
/** The live task that has a key. See {@link TaskStatics.findByKey}. */
export const findByKey = keys.findByKey as TaskVerbs['findByKey'];
/** Ends a task as FINISHED. See {@link TaskMethods.finish}. */
export const finish = settles.finish as TaskVerbs['finish'];
/** Ends a task as FAILED. See {@link TaskMethods.fail}. */
export const fail = settles.fail as TaskVerbs['fail'];
/** Puts a task back for another attempt. See {@link TaskMethods.retry}. */
export const retry = settles.retry as TaskVerbs['retry'];
/** Puts a task back as if it had not been popped. See {@link TaskMethods.release}. */
export const release = settles.release as TaskVerbs['release'];
/** Holds a task for longer. See {@link TaskMethods.renew}. */
export const renew = holds.renew as TaskVerbs['renew'];
/** The lease by which a document holds its task. See {@link TaskMethods.lease}. */
export const lease: TaskVerbs['lease'] = handles.lease;
/** How often a task was popped. See {@link TaskMethods.attempts}. */
export const attempts: TaskVerbs['attempts'] = handles.attempts;
/** Why earlier attempts of a task failed. See {@link TaskMethods.failures}. */
export const failures: TaskVerbs['failures'] = handles.failures;
/** Creates the indexes of the queue. See {@link TaskStatics.ensureTaskIndexes}. */
export const ensureTaskIndexes = ensureDeployed as TaskVerbs['ensureTaskIndexes'];
/** Counts the tasks of a model. See {@link TaskStatics.stats}. */
export const stats = figures.stats as TaskVerbs['stats'];
/** Lets no task be claimed. See {@link TaskStatics.pause}. */
export const pause = pauses.pause as TaskVerbs['pause'];
/** Ends a pause. See {@link TaskStatics.resume}. */
export const resume = pauses.resume as TaskVerbs['resume'];
/** The pauses that hold. See {@link TaskStatics.paused}. */
export const paused = pauses.paused as TaskVerbs['paused'];
/** What workers did, by minutes. See {@link TaskStatics.history}. */
export const history = histories.history as TaskVerbs['history'];
/** The workers of the queue. See {@link TaskStatics.workers}. */
export const workers = registry.workers as TaskVerbs['workers'];
/** Queues failed tasks again. See {@link TaskStatics.requeue}. */
export const requeue = requeueFailed as TaskVerbs['requeue'];
/** The tasks that wait for documents. See {@link TaskStatics.blocked}. */
export const blocked = blockings.blocked as TaskVerbs['blocked'];
/** What a task waits for. See {@link TaskMethods.blockedBy}. */
export const blockedBy = blockings.blockedBy as TaskVerbs['blockedBy'];
/** Stores how far a task is. See {@link TaskMethods.progress}. */
export const progress = holds.progress as TaskVerbs['progress'];
/** Ends a recurring task. See {@link TaskMethods.unschedule}. */
export const unschedule = recurrences.unschedule as TaskVerbs['unschedule'];
/** By what a task was cancelled. See {@link TaskMethods.cancelled}. */
export const cancelled: TaskVerbs['cancelled'] = cancels.cancelled;
/** The request to cancel a running task. See {@link TaskMethods.cancelRequested}. */
export const cancelRequested: TaskVerbs['cancelRequested'] = cancels.cancelRequested;
/** How far a task is. See {@link TaskMethods.lastProgress}. */
export const lastProgress: TaskVerbs['lastProgress'] = handles.lastProgress;
/** What a push did. See {@link TaskMethods.pushOutcome}. */
export const pushOutcome: TaskVerbs['pushOutcome'] = handles.pushOutcome;
