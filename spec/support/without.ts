import type { mongo } from 'mongoose';

/** A copy of a document without some of its fields. */
export function without(document: object, ...names: string[]): mongo.Document {
  return Object.fromEntries(Object.entries(document).filter(([name]) => !names.includes(name)));
}
