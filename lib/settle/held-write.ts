import { mongo, Types } from 'mongoose';
import type { Filter, RawDocument } from '../definition/definition';
import type { State } from '../fields';
import { groupBy, inParts } from '../values/group';
import { absences, EXPECTED } from './expected';

/**
 * A write that ends a lease: it matches a task that is RUNNING under the token and gives it another state. Hence it is applied once,
 * whatever operators it has, however often it is sent.
 */
export interface HeldWrite {
  readonly token: Types.ObjectId;
  readonly state: State;
  readonly filter: Filter;
  readonly update: mongo.Document;
  /** Whether an earlier write by this handle failed: then what is stored may be that one's. */
  readonly isRepeat: boolean;
}

/** What is sent for some of several writes. */
export interface Statement {
  readonly statement: mongo.AnyBulkWriteOperation<RawDocument>;
  /** The places of the writes that it carries out. */
  readonly places: readonly number[];
}

/** At most this many writes in one statement: the server looks through its list for each task. */
const MAX_WRITES = 100;
/** At most this many bytes, about, of new values for a task whose write is in a statement with others. */
const MAX_BYTES = 10_000;

/** Each write as a statement of its own. */
export function apart(writes: readonly HeldWrite[]): Statement[] {
  return writes.map(alone);
}

function alone({ filter, update }: HeldWrite, place: number): Statement {
  return { statement: { updateOne: { filter, update, hint: '_id_' } }, places: [place] };
}

/**
 * Writes that set the same fields of tasks of one claim as one statement, in which each task finds its own values by its place in a list. To
 * the server that is a third of the work. If it is refused, some of its writes may have been carried out.
 */
export function together(writes: readonly HeldWrite[]): Statement[] {
  const groups = groupBy(writes.keys(), (place) => kindOf(writes[place]!) ?? place);

  return [...groups.values()].flatMap((alike) =>
    inParts(alike, MAX_WRITES).map((places) => {
      const [first] = places as [number];
      return places.length === 1
        ? alone(writes[first]!, first)
        : { statement: joined(places.map((place) => writes[place]!)), places };
    }),
  );
}

const COMPARED = new Set(['_id', '_task.token', ...EXPECTED]);

/** Equal for writes that can be one statement; null for one that has to be alone. */
function kindOf({ token, state, filter, update, isRepeat }: HeldWrite): string | null {
  const { $set = {}, $unset = {}, ...others } = update as Record<string, mongo.Document | undefined>;
  const set = Object.keys($set);
  const unset = Object.keys($unset);
  // What is found of a repeat may be an earlier write's; other operators would need another pipeline each.
  if (isRepeat || Object.keys(others).length > 0 || !(filter._id instanceof Types.ObjectId)) return null;
  if (!set.every(isOwnField) || !unset.every(isOwnField) || !areSmall(Object.values($set))) return null;
  const absent = absences(filter);
  // The state is compared by the name that it has in this model.
  const compared = Object.keys(filter).filter((name) => !COMPARED.has(name));

  if (!absent || compared.length !== 1 || !(compared[0]! in $set)) return null;
  // No name has a zero in it.
  return [token.toHexString(), state, ...absent, '', ...set, '', ...unset].join('\0');
}

// In a deeper path a pipeline takes an array for its elements, and makes an object of what is none.
function isOwnField(path: string): boolean {
  const name = path.startsWith('_task.') ? path.slice('_task.'.length) : path;

  return name !== '' && name !== '_task' && !name.includes('.') && !name.includes('$');
}

function areSmall(values: readonly unknown[]): boolean {
  let bytes = 0;
  for (const value of values) {
    if (value === undefined || typeof value === 'function' || typeof value === 'symbol') return false;
    bytes += sizeOf(value);
  }

  return bytes <= MAX_BYTES;
}

function sizeOf(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (value === null || typeof value !== 'object' || value instanceof Date || value instanceof Types.ObjectId) return 0;

  return mongo.BSON.calculateObjectSize({ value });
}

function joined(writes: readonly HeldWrite[]): mongo.AnyBulkWriteOperation<RawDocument> {
  const [{ filter, update }] = writes as [HeldWrite];
  const ids = writes.map((write) => write.filter._id as Types.ObjectId);
  const place = { $indexOfArray: [{ $literal: ids }, '$_id'] };
  // New fields are stored in the order of their names, as by an update without a pipeline.
  const set = Object.keys(update['$set'] as object)
    .sort()
    .map((path) => {
      const values = writes.map((write) => (write.update['$set'] as mongo.Document)[path] as unknown);
      return [path, areSame(values) ? { $literal: values[0] } : { $arrayElemAt: [{ $literal: values }, place] }];
    });
  const unset = Object.keys((update['$unset'] ?? {}) as object);
  const pipeline = [
    { $set: Object.fromEntries(set) as mongo.Document },
    ...(unset.length > 0 ? [{ $unset: unset }] : []),
  ];

  return { updateMany: { filter: { ...filter, _id: { $in: ids as never[] } }, update: pipeline, hint: '_id_' } };
}

function areSame([first, ...others]: readonly unknown[]): boolean {
  return others.every(
    (one) => one === first || (first instanceof Types.ObjectId && first.equals(one as Types.ObjectId)),
  );
}
