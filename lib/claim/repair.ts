import { collectionOf, type Definition, type Filter, type RawDocument } from '../definition/definition';
import { LIVE_STATES, State } from '../fields';
import { codeOf, isPermanent } from '../server/permanent';
import { isUnreadable, read } from '../server/read';
import { answered } from '../server/time-limit';
import { isMissingIndex, isNetworkError, isTimeExpired, isUnconfirmed } from '../server/transient';
import { isBookkeeping, misfits, type TaskFailure } from '../task/bookkeeping';
import { isWritable } from '../values/writable';
import type { ReadyQuery } from './ready';
import { MAX_WAIT_MS } from './skipped';

/** Codes of the server's errors for an update that would make a document too large. */
const TOO_LARGE = new Set<unknown>([10_334, 17_419, 17_420]);
/** Codes that are no fault of one document: a write conflict, a full disk, writes that are switched off, the quota of a service. */
const NOT_OF_DOCUMENT = new Set<unknown>([112, 371, 8_000, 14_031]);

/** Whether the server refused a claim for a reason that may lie in one document: its values, its size, a validator. */
export function isOfDocument(error: unknown): boolean {
  if (isUnreadable(error)) return true;
  const { name, code } = (error ?? {}) as { name?: string; code?: unknown };
  const isOfServer = name === 'MongoServerError' || name === 'MongoBulkWriteError';
  const isRefusal = isOfServer && typeof code === 'number' && !NOT_OF_DOCUMENT.has(code);

  return (
    isRefusal &&
    ![isPermanent, isNetworkError, isMissingIndex, isTimeExpired, isUnconfirmed].some((isOther) => isOther(error))
  );
}

/**
 * Repairs a task that could not be claimed: bookkeeping of a wrong type is removed, and a task whose document is too large is failed.
 * Resolves to whether anything was changed.
 */
export async function mend(definition: Definition, _id: unknown, error?: unknown): Promise<boolean> {
  const { model, options, writeConcern } = definition;
  if (!isWritable(_id)) return false;
  const { state } = options.fields;
  const [raw] = await read(model, { filter: { _id }, projection: { [state]: 1, _task: 1 }, limit: 1 });
  if (!raw) return false;

  const task: unknown = raw['_task'];
  const unchanged = isWritable(task) ? { _task: { $eq: task } } : {};
  const asRead: Filter = { _id, [state]: { $in: [...LIVE_STATES] }, ...unchanged };
  for (const update of repairs(definition, raw, error)) {
    try {
      const { modifiedCount } = await answered(
        collectionOf(model).updateOne(asRead, update, { hint: '_id_', ...writeConcern }),
      );
      return modifiedCount > 0;
    } catch (refused) {
      if (!isOfDocument(refused)) throw refused;
    }
  }
  return false;
}

/** Repairs the next task whose bookkeeping has no fields, where none is found by its `_id`. */
export async function mendNext({ model, writeConcern }: Definition, { filter, hint }: ReadyQuery): Promise<boolean> {
  const isOdd = { $not: { $in: [{ $type: '$_task' }, ['object', 'missing']] } };
  const how = { hint, maxTimeMS: MAX_WAIT_MS, ...writeConcern };
  try {
    const unset = { $unset: { _task: true } } as const;
    const { modifiedCount } = await answered(
      collectionOf(model).updateOne({ ...filter, $expr: isOdd }, unset as never, how),
    );
    return modifiedCount > 0;
  } catch (error) {
    if (!isTimeExpired(error) && !isOfDocument(error)) throw error;
    return false;
  }
}

/** The updates to try, one after the other. */
function repairs({ options }: Definition, raw: RawDocument, error: unknown): object[] {
  const task: unknown = raw['_task'];
  if (!isBookkeeping(task)) return [{ $unset: { _task: true } }];

  const wrong = misfits(task);
  if (wrong.length > 0) return [{ $unset: Object.fromEntries(wrong.map((name) => [`_task.${name}`, true])) }];
  if (!TOO_LARGE.has(codeOf(error))) return [];

  const failed = { [options.fields.state]: State.FAILED };
  const reason: Omit<TaskFailure, 'at'> = { message: 'The document is too large to be claimed.', attempt: 0 };
  return [
    [{ $set: { ...failed, '_task.settledAt': '$$NOW', '_task.errors': [{ ...reason, at: '$$NOW' }] } }],
    // For a document that has no room even for that.
    { $set: failed, $unset: { '_task.availableAt': true, '_task.errors': true, '_task.recheckAt': true } },
  ];
}
