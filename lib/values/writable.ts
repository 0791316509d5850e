import { mongo } from 'mongoose';

/** Whether the driver can send a value that it has read: objects of other programs may look like types of its own. */
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
