import { type mongo, Types } from 'mongoose';
import { type AnyModel, definitionOf } from '../definition/definition';
import { connected } from '../server/clock';
import { throwExplained } from '../server/explain-error';
import { isDuplicate } from '../server/permanent';
import { persistently } from '../server/transient';
import { lineOf } from '../values/describe';
import { CONTROL, type Control, sideOf } from './collection';
import { lookOf } from './look';

/** The control document of a model's collection, as it was less than LOOK_MS ago, or later. */
export function controlOf(model: AnyModel): Promise<Control> {
  return lookOf(model).fresh();
}

/** The control document if it was looked at less than LOOK_MS ago, else null. */
export function recentControl(model: AnyModel): Control | null {
  const look = lookOf(model);

  return look.isFresh ? look.known : null;
}

/** The control document as this process last saw it; null before its first look. */
export function knownControl(model: AnyModel): Control | null {
  return lookOf(model).known;
}

/** Looks regularly, and calls `listener` when the control document has changed, until the returned function is called. */
export function onControl(model: AnyModel, listener: (control: Control) => void): () => void {
  return lookOf(model).listen(listener);
}

/**
 * Tells all processes that tasks of the model are to be cancelled: those that hold tasks look for theirs. It never rejects, since a lease
 * that was cut ends the task in any case, only later.
 */
export async function signalCancel(model: AnyModel): Promise<void> {
  try {
    await changeControl(model, { $set: { cancelled: new Types.ObjectId() } });
  } catch (error) {
    process.emitWarning(
      `Workers of ${model.modelName} hear of cancelled tasks only when their leases end: ${lineOf(error)}`,
      'TaskQueueWarning',
    );
  }
}

/** Notes for all processes that a feature is in use. It writes nothing when this process knows that already. */
export async function noteUse(model: AnyModel, name: string): Promise<void> {
  if (knownControl(model)?.uses.includes(name)) return;
  await changeControl(model, { $addToSet: { uses: name } });
}

/** Changes the control document, and sees the change at once. */
export async function changeControl(
  model: AnyModel,
  update: mongo.Document | mongo.Document[],
  { upsert = true } = {},
): Promise<Control> {
  await connected(model);
  const { writeConcern } = definitionOf(model);
  const write = () => sideOf(model).updateOne(CONTROL, update, { upsert, ...writeConcern });
  await persistently(() =>
    write().catch((error: unknown) => {
      if (!isDuplicate(error)) throw error;
      // Another process has just made the document.
      return write();
    }),
  ).catch(throwExplained);

  return lookOf(model).again();
}
