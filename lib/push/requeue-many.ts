import { type mongo, Types } from 'mongoose';
import {
  type AnyModel,
  collectionOf,
  type Definition,
  definitionOf,
  type Filter,
  type RawDocument,
} from '../definition/definition';
import { castFilter } from '../definition/filter';
import { ofKind } from '../definition/kind';
import { UNDONE_STATES } from '../fields';
import { isDuplicateKey } from '../indexes/key-index';
import { indexesReady } from '../indexes/prepare';
import { announceAt } from '../notify/due';
import { serverNow } from '../server/clock';
import { inIdOrder } from '../server/id-order';
import { LENIENT, NEWEST } from '../server/read';
import { answered } from '../server/time-limit';
import { persistently } from '../server/transient';
import { plainKey } from '../task/cancellation';
import { MAX_DELAY_MS, refuseUnknown, requireInteger } from '../values/check';
import { isWritable } from '../values/writable';
import { renewal } from './renewal';

/** Options of `requeue()`. */
export interface RequeueOptions {
  /** How long the tasks wait before they can be popped, in milliseconds. Default: 0. */
  delayMs?: number | undefined;

  /** At most this many tasks are queued again. Default: all. */
  limit?: number | undefined;
}

/** The outcome of `requeue()`. */
export interface Requeued {
  /** How many tasks were queued again. */
  requeued: number;
  /** How many tasks stay as they are because a live task has their key, or another failed one of that key was queued again. */
  skipped: number;
}

/** At most this many tasks per write. */
const BATCH = 500;

/** See `TaskStatics.requeue`. */
export async function requeueFailed(model: AnyModel, filter: Filter, options: RequeueOptions = {}): Promise<Requeued> {
  const definition = definitionOf(model);
  refuseUnknown(options, ['delayMs', 'limit'], 'requeue()');
  const { delayMs = 0, limit = Number.MAX_SAFE_INTEGER } = options;
  requireInteger('delayMs', delayMs, 0, MAX_DELAY_MS, 'milliseconds', '`requeue({}, { delayMs: 60_000 })`');
  requireInteger('limit', limit, 1, Number.MAX_SAFE_INTEGER, 'tasks', '`requeue({}, { limit: 100 })`');
  const failed = failedOf(definition, filter);

  await indexesReady(model);
  const total = { requeued: 0, skipped: 0 };
  for await (const { requeued, skipped } of putBack(definition, failed, delayMs, limit)) {
    total.requeued += requeued;
    total.skipped += skipped;
    const now = await serverNow(model);
    if (requeued > 0) announceAt(model, new Date(now.getTime() + delayMs), now);
  }

  return total;
}

async function* putBack(definition: Definition, failed: Filter, delayMs: number, limit: number) {
  const update = renewal(definition, delayMs);
  // Another task of its key may be aside, so it is a successor as well: who claims it looks.
  const keyed = { $set: { '_task.behind': new Types.ObjectId() } };
  let left = limit;
  for await (const batch of withoutKey(definition, failed, () => left)) {
    const requeued = await writeBatch(definition, batch, update);
    left -= requeued;
    yield { requeued, skipped: 0 };
  }
  for await (const batch of newestOfKeys(definition, failed, () => left)) {
    const done = await writeKeyed(definition, batch, [...update, keyed]);
    left -= done.requeued;
    yield done;
  }
}

const KEY = '_task.key';

/** Yields each failed task without a key once, in `_id` order: a task that fails again meanwhile is not requeued endlessly. */
async function* withoutKey({ model }: Definition, failed: Filter, left: () => number): AsyncGenerator<unknown[]> {
  const how = { projection: { _id: 1 }, sort: { _id: 1 }, ...NEWEST, ...LENIENT } as const;
  const readAfter = async (after: Filter): Promise<RawDocument[]> => {
    if (left() <= 0) return [];
    const filter = { $and: [failed, { [KEY]: { $exists: false } }, after] };
    // No time limit: the read may take long where no index serves the filter.
    return collectionOf(model)
      .find(filter, { ...how, limit: Math.min(BATCH, left()) })
      .toArray();
  };
  for await (const part of inIdOrder(readAfter)) yield part.map(({ _id }) => _id as unknown).filter(isWritable);
}

/** The failed tasks of one key. Only one of them can be live: the one settled last is requeued. */
interface OfKey {
  newest: unknown;
  count: number;
}

async function* newestOfKeys({ model }: Definition, failed: Filter, left: () => number): AsyncGenerator<OfKey[]> {
  const newest = { $top: { sortBy: { '_task.settledAt': -1, _id: -1 }, output: '$_id' } };
  const cursor = collectionOf(model).aggregate<OfKey>(
    [
      { $match: { $and: [failed, { [KEY]: { $exists: true } }] } },
      { $group: { _id: plainKey, newest, count: { $sum: 1 } } },
      { $sort: { newest: 1 } },
    ],
    { readPreference: 'primary', allowDiskUse: true, batchSize: BATCH, ...LENIENT },
  );
  try {
    for (let batch = await next(cursor, left()); batch.length > 0; batch = await next(cursor, left())) yield batch;
  } finally {
    await cursor.close();
  }
}

async function next(cursor: mongo.AggregationCursor<OfKey>, limit: number): Promise<OfKey[]> {
  const batch: OfKey[] = [];
  while (batch.length < Math.min(BATCH, limit)) {
    const one = await cursor.next();
    if (!one) break;
    batch.push(one);
  }

  return batch;
}

async function writeBatch(definition: Definition, ids: readonly unknown[], update: object[]): Promise<number> {
  const { model, options, writeConcern } = definition;
  const filter = { _id: { $in: ids as never[] }, ...undone(options) };
  let isUncertain = false;
  const { modifiedCount } = await persistently((again) => {
    isUncertain ||= again;
    return collectionOf(model).updateMany(filter, update, writeConcern);
  });
  if (!isUncertain) return modifiedCount;

  // The answer with the number was lost: count the tasks that are still as they were.
  return ids.length - (await answered(collectionOf(model).countDocuments(filter, NEWEST)));
}

// The unique index decides: the statement of a task is refused if a live task has its key.
async function writeKeyed(definition: Definition, batch: readonly OfKey[], update: object[]): Promise<Requeued> {
  const { model, options, writeConcern } = definition;
  const statements = batch
    .filter(({ newest }) => isWritable(newest))
    .map(({ newest }) => ({
      updateOne: { filter: { _id: newest as never, ...undone(options) }, update, hint: '_id_' },
    }));
  const others = batch.reduce((sum, { count }) => sum + count - 1, 0) + batch.length - statements.length;
  if (statements.length === 0) return { requeued: 0, skipped: others };
  const { modifiedCount, taken } = await persistently(() =>
    collectionOf(model)
      .bulkWrite(statements, { ordered: false, ...writeConcern })
      .then((result) => ({ modifiedCount: result.modifiedCount, taken: 0 }), takenOf),
  );

  return { requeued: modifiedCount, skipped: others + taken };
}

function takenOf(error: unknown): { modifiedCount: number; taken: number } {
  const { writeErrors, modifiedCount } = error as Partial<mongo.MongoBulkWriteError>;
  const refused = [writeErrors ?? []].flat();
  if (refused.length === 0 || !refused.every(isDuplicateKey)) throw error;

  return { modifiedCount: modifiedCount!, taken: refused.length };
}

function failedOf({ model, options, kind }: Definition, filter: Filter): Filter {
  return {
    $and: [castFilter(model, filter, 'requeue'), { ...undone(options), ...ofKind(kind) }],
  };
}

function undone({ fields }: Definition['options']): Filter {
  return { [fields.state]: { $in: [...UNDONE_STATES] } };
}
