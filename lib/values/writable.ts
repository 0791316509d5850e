import { mongo } from 'mongoose';

/** Whether the driver can send a value that it has read: an object of another program may look like one of the driver's types. */
export function isWritable(value: unknown): boolean {
  if (value === null || typeof value !== 'object' || value instanceof Date || value instanceof mongo.ObjectId)
    return true;
  try {
    mongo.BSON.serialize({ value });
    return true;
  } catch {
    return false;
  }
}

/** What the driver reads of a value that it has sent. Mongoose casts some to types of its own, which the driver never reads. */
export function asRead(value: unknown): unknown {
  if (typeof value !== 'object' || (value as { _bsontype?: string } | null)?._bsontype === 'ObjectId') return value;

  return mongo.BSON.deserialize(mongo.BSON.serialize({ value }))['value'];
}

/** Whether a value has fields, and is not one of the types that stand for a single value. */
export function isPlain(value: unknown): value is Record<string, unknown> {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value) as object | null;

  return prototype === null || !Object.getPrototypeOf(prototype);
}
