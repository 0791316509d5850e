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
