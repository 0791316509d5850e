import type { mongo } from 'mongoose';
import { InvalidOptionError } from '../errors';
import { type AnyModel, definitionOf } from './definition';

/** The database by which the settings of a model were found to be good: it is another one after a connection was opened anew. */
const checked = new WeakMap<AnyModel, mongo.Db>();

/**
 * Refuses settings of the connection or the schema with which no claim and no settle can be told from a failed one. To be called with an
 * open connection; it looks once per model.
 *
 * @throws {InvalidOptionError} that names the setting.
 */
export function requireSettings(model: AnyModel): void {
  const { db } = model.db;
  if (!db || checked.get(model) === db) return;
  requireAcknowledged(model, db);
  requireValues(model, db);
  checked.set(model, db);
}

function requireAcknowledged(model: AnyModel, db: mongo.Db): void {
  const ofSchema = definitionOf(model).writeConcern.writeConcern;
  const { w } = ofSchema ?? db.writeConcern ?? {};
  if (w !== 0) return;
  throw new InvalidOptionError(
    `Expected writes of ${model.modelName} to be acknowledged, got the write concern \`w: 0\` of its ${ofSchema ? 'schema' : 'connection'}: nobody would know who holds a task. Write \`new Schema({ … }, { writeConcern: { w: 'majority' } })\`, or open a connection of its own without \`w: 0\`.`,
  );
}

// Mongoose makes no document of raw bytes, and does not cast what is in no schema.
function requireValues(model: AnyModel, { bsonOptions }: mongo.Db): void {
  const wrong = bsonOptions.raw ? 'raw: true' : bsonOptions.promoteValues === false ? 'promoteValues: false' : null;
  if (wrong === null) return;
  throw new InvalidOptionError(
    `Expected the connection of ${model.modelName} to read numbers as numbers, got \`${wrong}\`. Open a connection of its own for the queue, without that option: \`mongoose.createConnection(uri).model('${model.modelName}', schema)\`.`,
  );
}
