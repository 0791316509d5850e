import type { mongo } from 'mongoose';

/** A text that is the same for ids that are equal to the server, also where a document holds one as another type than a raw one. */
export function keyOf(id: unknown): string {
  if (typeof id === 'bigint') return `number:${id}`;
  if (id === null || typeof id !== 'object') return `${typeof id}:${String(id)}`;
  if ('toHexString' in id) return (id as { toHexString(): string }).toHexString();

  const type = Buffer.isBuffer(id) ? 'Binary' : (id as { _bsontype?: string })._bsontype;
  if (type === 'Long') return `number:${(id as mongo.Long).toString()}`;
  // The type of a Buffer's method is not that of a Binary's, which takes an encoding as well.
  if (type === 'Binary') return `bytes:${(id as Buffer).toString('base64')}`;
  return JSON.stringify(id);
}
