import type { Model, mongo } from 'mongoose';

// Only `any` stands for "a model of whatever schema": Model is invariant in its parameters.
type AnyModel = Model<any, any, any, any, any, any>;

/** The document as it is stored, `_task` included. */
export async function stored(model: AnyModel, _id: unknown): Promise<mongo.Document> {
  const found = (await nativeOf(model).findOne({ _id })) as mongo.Document | null;
  if (!found) throw new Error(`${model.modelName} ${String(_id)} is not stored`);

  return found;
}

/** Its bytes, in which the order and the type of each field show. */
export async function storedBytes(model: AnyModel, _id: unknown): Promise<string> {
  const [bytes] = await nativeOf(model).find({ _id }, { raw: true }).toArray();
  if (!bytes) throw new Error(`${model.modelName} ${String(_id)} is not stored`);

  return (bytes as unknown as Buffer).toString('hex');
}

/** Writes like another program would: by the driver, past Mongoose. */
export async function rawUpdate(
  model: AnyModel,
  _id: unknown,
  update: mongo.Document | mongo.Document[],
): Promise<void> {
  const { matchedCount } = await nativeOf(model).updateOne({ _id }, update);
  if (matchedCount !== 1) throw new Error(`${model.modelName} ${String(_id)} is not stored`);
}

/** Lets the lease of whoever holds the task be over. */
export async function endLease(model: AnyModel, _id: unknown): Promise<void> {
  await rawUpdate(model, _id, { $set: { '_task.availableAt': new Date(0) } });
}

export function nativeOf(model: AnyModel): mongo.Collection<any> {
  return model.collection as unknown as mongo.Collection<any>;
}
