import type { mongo } from 'mongoose';
import { InvalidOptionError } from '../errors';
import { requireCompleted } from './compiled';
import { type AnyModel, definitionOf } from './definition';

/** A setting with which no operation of the queue can work. */
export class WrongSettingError extends InvalidOptionError {}

/** The database object with which a model's settings were checked; a connection that is opened again has a new one. */
const checked = new WeakMap<AnyModel, mongo.Db>();

/**
 * Refuses settings of the connection or the schema with which a claim or settle cannot be told from a failed one. Call it with an open
 * connection; it checks each model once.
 *
 * @throws {InvalidOptionError} that names the setting.
 */
export function requireSettings(model: AnyModel): void {
  const { db } = model.db;
  if (!db || checked.get(model) === db) return;
  requireCompleted(model);
  requireAcknowledged(model, db);
  requireValues(model, db);
  checked.set(model, db);
}

function requireAcknowledged(model: AnyModel, db: mongo.Db): void {
  const ofSchema = definitionOf(model).writeConcern.writeConcern;
  const { w } = ofSchema ?? db.writeConcern ?? {};
  if (w !== 0) return;
  throw new WrongSettingError(
    `Expected writes of ${model.modelName} to be acknowledged, got the write concern \`w: 0\` of its ${ofSchema ? 'schema' : 'connection'}: nobody would know who holds a task. Write \`new Schema({ … }, { writeConcern: { w: 'majority' } })\`, or open a connection of its own without \`w: 0\`.`,
  );
}

// Mongoose cannot make a document of raw bytes, and does not cast fields that are in no schema, such as `_task`.
function requireValues(model: AnyModel, { bsonOptions }: mongo.Db): void {
  const wrong = bsonOptions.raw ? 'raw: true' : bsonOptions.promoteValues === false ? 'promoteValues: false' : null;
  if (wrong === null) return;
  throw new WrongSettingError(
    `Expected the connection of ${model.modelName} to read numbers as numbers, got \`${wrong}\`. Open a connection of its own for the queue, without that option: \`mongoose.createConnection(uri).model('${model.modelName}', schema)\`.`,
  );
}
