import { Types } from 'mongoose';
import { type AnyModel, collectionOf, type WriteConcern } from '../definition/definition';
import { isUnconfirmed, persistently } from './transient';

/** How long one try waits for the write concern of earlier writes, in milliseconds. */
const MAX_WAIT_MS = 20_000;

/**
 * Waits until everything the primary has written so far meets a write concern. It sends a write that matches nothing: the server makes that
 * write wait for all earlier ones. On a newly elected primary those are the writes that it has taken over.
 *
 * @see https://www.mongodb.com/docs/manual/reference/write-concern/
 */
export async function confirm(model: AnyModel, concern: WriteConcern): Promise<void> {
  const nothing = { _id: new Types.ObjectId() };
  const options = { ...concern, maxTimeMS: MAX_WAIT_MS };
  await persistently(() => collectionOf(model).updateOne(nothing as never, { $unset: { _task: true } }, options));
}

/**
 * Runs a write with a `maxTimeMS` that bounds its wait for locked documents. That limit may also end the wait for the write concern of a
 * write that was applied; then that wait is continued here.
 *
 * @throws an error for which `isTimeExpired()` is true when a document is locked.
 */
export async function writeBounded(
  model: AnyModel,
  concern: WriteConcern,
  write: () => Promise<unknown>,
): Promise<void> {
  try {
    await persistently(write);
  } catch (error) {
    if (!isUnconfirmed(error)) throw error;
    await confirm(model, concern);
  }
}
