import { mongo } from 'mongoose';
import { safely } from './describe';
import { asRead, isPlain, isWritable } from './writable';

/** A text that is equal for ids that are equal to the server, also if a document and a raw document hold the id in different types. */
export function keyOf(id: unknown): string {
  if (typeof id === 'bigint') return `number:${id}`;
  if (id === null || typeof id !== 'object') return `${typeof id}:${String(id)}`;
  if ('toHexString' in id && typeof id.toHexString === 'function') return id.toHexString() as string;
  if (isPlain(id)) return JSON.stringify(id, withBigInts);

  const type = Buffer.isBuffer(id) ? 'Binary' : (id as { _bsontype?: string })._bsontype;
  if (type === 'Long') return `number:${(id as mongo.Long).toString()}`;
  if (type === 'Double' || type === 'Int32') return `number:${Number(id)}`;
  // Cast for the types only: a Binary's `toString()` takes an encoding too.
  if (type === 'Binary') return `bytes:${(id as Buffer).toString('base64')}`;
  return JSON.stringify(id, withBigInts);
}

/** How an id is shown in a message. Any program may have made it. */
export function shownId(id: unknown): string {
  return safely(() => String(id)) ?? 'of an odd id';
}

/** Stands for what is no character, in a text that was read. */
const NO_CHARACTER = '\ufffd';

/**
 * Whether the driver surely sends an id as it has read it. Of a date beyond those of JavaScript and of a text that is no UTF-8 it sends
 * something else. Only an object with one name twice, which the driver reads as once, looks like any other.
 */
export function isExact(id: unknown): boolean {
  if (id instanceof mongo.ObjectId) return true;
  if (typeof id === 'string') return !id.includes(NO_CHARACTER);
  if (id === undefined) return false;
  if (id === null || typeof id !== 'object') return true;
  if (id instanceof Date) return !Number.isNaN(id.getTime());
  if (Array.isArray(id)) return id.every(isExact);
  if (isPlain(id)) return Object.entries(id).every(isExactField) && isWritable(id);

  return !(id instanceof RegExp) && !COMPOUND.has((id as { _bsontype?: unknown })._bsontype);
}

/** Types of the driver that hold other values. */
const COMPOUND = new Set<unknown>(['Code', 'DBRef', 'BSONRegExp']);

/** Whether a document has the id with which it was read: a cast may have made another of it, or none. */
export function hasKept(id: unknown, read: unknown): boolean {
  return id === read || (isWritable(id) && keyOf(asRead(id)) === keyOf(read));
}

// Names that are numbers come first in an object, wherever they were read.
function isExactField([name, value]: [string, unknown]): boolean {
  return isExact(name) && !/^\d+$/.test(name) && isExact(value);
}

function withBigInts(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}
