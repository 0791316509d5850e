import { Document } from 'mongoose';
import type { AnyDocument, AnyModel } from '../definition/definition';
import { dropForged } from '../settle/stage-changes';

type InsertMany = (this: AnyModel, input: unknown, ...rest: unknown[]) => Promise<unknown>;

/**
 * Keeps `_task` out of what `insertMany()` stores, which runs no save hooks. A hook of its own could only change the caller's objects
 * under Mongoose 8.
 */
export function guardInsertMany(model: AnyModel): void {
  const { insertMany } = model as unknown as { insertMany: InsertMany };
  Object.assign(model, {
    insertMany(this: AnyModel, input: unknown, ...rest: unknown[]) {
      return insertMany.call(this, withoutForged(input), ...rest);
    },
  });
}

function withoutForged(input: unknown): unknown {
  if (Array.isArray(input)) return input.map(withoutForged);
  if (input instanceof Document) dropForged(input as AnyDocument);

  return isForged(input) ? ownFields(input) : input;
}

function ownFields(input: { _task: unknown }): object {
  const { _task: _, ...fields } = input;

  return fields;
}

function isForged(input: unknown): input is { _task: unknown } {
  return typeof input === 'object' && input !== null && !(input instanceof Document) && '_task' in input;
}
