import mongoose from 'mongoose';
import { InvalidOptionError } from '../errors';

/**
 * @throws {InvalidOptionError} for a model whose `_id` is a UUID beside Mongoose 8: a document then gives its id as a text, by which
 * no write finds it.
 */
export function refuseUuidIds(model: { modelName: string; schema: unknown }): void {
  const { modelName } = model;
  const schema = model.schema as { path(name: string): unknown };
  const { instance } = (schema.path('_id') ?? {}) as { instance?: string };
  if (instance !== 'UUID' || !mongoose.version.startsWith('8.')) return;

  throw new InvalidOptionError(
    `Expected an \`_id\` that Mongoose ${mongoose.version} gives as it is stored, got a UUID in ${modelName}, which it gives as a text. Use Mongoose 9, or write \`_id: { type: String, default: () => randomUUID() }\`.`,
  );
}
