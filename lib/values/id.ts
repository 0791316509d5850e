import type { mongo } from 'mongoose';

/** A text that is equal for ids that are equal to the server, also if a document and a raw document hold the id in different types. */
export function keyOf(id: unknown): string {
  if (typeof id === 'bigint') return `number:${id}`;
  if (id === null || typeof id !== 'object') return `${typeof id}:${String(id)}`;
  if ('toHexString' in id) return (id as { toHexString(): string }).toHexString();

  const type = Buffer.isBuffer(id) ? 'Binary' : (id as { _bsontype?: string })._bsontype;
  if (type === 'Long') return `number:${(id as mongo.Long).toString()}`;
  // Cast for the types only: a Binary's `toString()` takes an encoding too.
  if (type === 'Binary') return `bytes:${(id as Buffer).toString('base64')}`;
  return JSON.stringify(id);
}
