import { type AnyModel, collectionOf, type Definition, definitionOf } from './definition/definition';
import { UnsupportedServerError } from './errors';
import { State } from './fields';
import { indexName, liveFilter } from './indexes/claim-index';
import { withIndexes } from './indexes/prepare';
import { connected } from './server/clock';
import { explained } from './server/explain-error';
import { NEWEST } from './server/read';
import { answered } from './server/time-limit';

/** The server's code for a query without an index where `notablescan` forbids one. */
const NO_QUERY_EXECUTION_PLANS = 291;

/** The figures of a queue. They are counted at slightly different moments, so they need not add up while tasks are worked on. */
export interface TaskStats {
  /** CREATED tasks: `ready + delayed + blocked`. */
  created: number;
  /** RUNNING tasks: their lease lasts, or has ended and the task was not claimed again yet. */
  running: number;
  /** FINISHED tasks that have not expired. */
  finished: number;
  /** FAILED tasks that have not expired. */
  failed: number;
  /** CREATED tasks that can be popped now. */
  ready: number;
  /** CREATED tasks that are not due yet. */
  delayed: number;
  /** CREATED tasks that wait for other documents. */
  blocked: number;
  /** How long the oldest ready task has been ready, in milliseconds; null when none is ready. */
  oldestReadyAgeMs: number | null;
}

/** See `TaskStatics.stats`. */
export async function stats(model: AnyModel): Promise<TaskStats> {
  const definition = definitionOf(model);
  await connected(model);
  const [settled, live] = await Promise.all([countSettled(definition), withIndexes(model, () => readLive(definition))]);

  return { ...live, ...settled };
}

// Settled tasks are in no index of the queue, so this reads the whole collection, once.
async function countSettled({ model, options, kind }: Definition): Promise<Pick<TaskStats, 'finished' | 'failed'>> {
  const { state } = options.fields;
  const settled = { [state]: { $in: [State.FINISHED, State.FAILED] }, ...(kind && { [kind.key]: kind.value }) };
  const found = await answered(
    collectionOf(model)
      .aggregate<{ _id: State; count: number }>(
        [{ $match: settled }, { $group: { _id: `$${state}`, count: { $sum: 1 } } }],
        NEWEST,
      )
      .toArray(),
  ).catch((error: unknown) => {
    throw isScanRefused(error) ? needsIndex(model, state) : explained(error);
  });
  const countOf = (one: State) => found.find(({ _id }) => _id === one)?.count ?? 0;

  return { finished: countOf(State.FINISHED), failed: countOf(State.FAILED) };
}

function isScanRefused(error: unknown): boolean {
  return (error as { code?: unknown }).code === NO_QUERY_EXECUTION_PLANS;
}

function needsIndex({ modelName }: AnyModel, state: string): UnsupportedServerError {
  return new UnsupportedServerError(
    `Expected a server on which \`stats()\` may read all of ${modelName}, got one with \`notablescan\`. Give it an index to count by: \`schema.index({ ${state}: 1 })\`.`,
  );
}

type Live = Omit<TaskStats, 'finished' | 'failed'>;

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
