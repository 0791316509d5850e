import { Types } from 'mongoose';
import { type AnyModel, collectionOf, type WriteConcern } from '../definition/definition';
import { isUnconfirmed, persistently } from './transient';

/** How long is waited for the write concern of what was written already, in milliseconds. */
const MAX_WAIT_MS = 20_000;

/**
 * Waits until everything the primary has written so far meets a write concern. A write that matches nothing waits for what came before it,
 * also on a primary elected meanwhile, for what is left of it there.
 *
 * @see https://www.mongodb.com/docs/manual/reference/write-concern/
 */
export async function confirm(model: AnyModel, concern: WriteConcern): Promise<void> {
  const nothing = { _id: new Types.ObjectId() };
  const options = { ...concern, maxTimeMS: MAX_WAIT_MS };
  await persistently(() => collectionOf(model).updateOne(nothing as never, { $unset: { _task: true } }, options));
}

/**
 * Runs a write that waits only so long for documents that are locked. That limit also ends the wait for its write concern, although it was
 * applied: then that wait goes on here.
 *
 * @throws an error of an expired time where a locked document was met; see `isTimeExpired`.
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
