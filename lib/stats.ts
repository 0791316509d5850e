import { type AnyModel, collectionOf, type Definition, definitionOf } from './definition/definition';
import { ofKind } from './definition/kind';
import { State } from './fields';
import { indexName, liveFilter } from './indexes/claim-index';
import { withIndexes } from './indexes/prepare';
import { connected } from './server/clock';
import { NEWEST } from './server/read';
import { answered } from './server/time-limit';
import { controlOf } from './side/control';
import { lastHour } from './side/history';
import { pausedIn } from './side/pause';

/** The figures of a queue. They are counted at slightly different moments, so they need not add up while tasks are worked on. */
export interface TaskStats {
  /** CREATED tasks: `ready + delayed + blocked`. */
  created: number;
  /** RUNNING tasks: their lease lasts, or has ended and the task was not claimed again yet. */
  running: number;
  /** CREATED tasks that can be popped now, unless the queue is paused. */
  ready: number;
  /** CREATED tasks that are not due yet. */
  delayed: number;
  /** CREATED tasks that wait for other documents. */
  blocked: number;
  /** FAILED tasks that are still stored; 10 000 stands for that many or more. */
  failed: number;
  /** CANCELLED tasks that are still stored; 10 000 stands for that many or more. */
  cancelled: number;
  /** How long the oldest ready task has been ready, in milliseconds; null when none is ready. */
  oldestReadyAgeMs: number | null;
  /** Whether the model is paused as a whole; `paused()` tells of categories, too. */
  paused: boolean;
  /** What workers finished in the last hour, up to 20 seconds ago; 0 with `history: false`. What was popped by hand is not counted. */
  finishedLastHour: number;
  /** What workers failed for good in the last hour. */
  failedLastHour: number;
}

/** To this many failed or cancelled tasks are counted. */
const MAX_COUNT = 10_000;

/** See `TaskStatics.stats`. */
export async function stats(model: AnyModel): Promise<TaskStats> {
  const definition = definitionOf(model);
  await connected(model);
  const [live, failed, cancelled, control, hour] = await Promise.all([
    withIndexes(model, () => readLive(definition)),
    withIndexes(model, () => countEnded(definition, State.FAILED)),
    withIndexes(model, () => countEnded(definition, State.CANCELLED)),
    controlOf(model),
    lastHour(model),
  ]);
  const { isWhole: paused } = pausedIn(definition, control);

  return { ...live, failed, cancelled, paused, finishedLastHour: hour.finished, failedLastHour: hour.failed };
}

async function countEnded(definition: Definition, state: State): Promise<number> {
  const { model, options, kind } = definition;
  const query = { [options.fields.state]: state, ...ofKind(kind) };
  const hint = indexName(definition, 'ended');
  const { collectionName: count } = model.collection;
  const command = { count, query, hint, limit: MAX_COUNT, readConcern: NEWEST.readConcern };
  const { n } = await answered(model.db.db!.command(command, { readPreference: NEWEST.readPreference }));

  return n as number;
}

type Live = Pick<TaskStats, 'created' | 'running' | 'ready' | 'delayed' | 'blocked' | 'oldestReadyAgeMs'>;

async function readLive(definition: Definition): Promise<Live> {
  const { model, options } = definition;
  const created = { $eq: [`$${options.fields.state}`, State.CREATED] };
  const blocked = { $and: [created, { $gt: ['$_task.waitingOn', null] }] };
  const due = { $lte: ['$_task.availableAt', '$$NOW'] };
  const ready = { $and: [created, due, { $not: blocked }] };
  // A stored value that is no date makes a task ready too, but has no age.
  const isDated = { $eq: [{ $type: '$_task.availableAt' }, 'date'] };
  const count = (condition: object) => ({ $sum: { $cond: [condition, 1, 0] } });
  const [found] = await answered(
    collectionOf(model)
      .aggregate(
        [
          { $match: liveFilter(definition) },
          {
            $group: {
              _id: null,
              created: count(created),
              running: count({ $not: created }),
              ready: count(ready),
              blocked: count(blocked),
              oldest: { $min: { $cond: [{ $and: [ready, isDated] }, '$_task.availableAt', null] } },
              now: { $first: '$$NOW' },
            },
          },
        ],
        { hint: indexName(definition, 'claim'), ...NEWEST },
      )
      .toArray(),
  );
  if (!found) return { created: 0, running: 0, ready: 0, delayed: 0, blocked: 0, oldestReadyAgeMs: null };

  const {
    created: all,
    running,
    ready: isReady,
    blocked: waiting,
    oldest,
    now,
  } = found as Record<string, number> & { oldest: Date | null; now: Date };
  return {
    created: all!,
    running: running!,
    ready: isReady!,
    delayed: all! - isReady! - waiting!,
    blocked: waiting!,
    // The server knows dates that JavaScript lacks.
    oldestReadyAgeMs: oldest && !Number.isNaN(oldest.getTime()) ? Math.max(0, now.getTime() - oldest.getTime()) : null,
  };
}
