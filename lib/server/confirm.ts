import { Types } from 'mongoose';
import { type AnyModel, collectionOf, type WriteConcern } from '../definition/definition';
import { persistently } from './transient';

/** How long one try waits for the write concern of earlier writes, in milliseconds. */
const MAX_WAIT_MS = 20_000;

/**
 * Waits until everything the primary has written so far meets a write concern. A write that matches nothing waits for what came before it,
 * also on a primary elected meanwhile, for what is left of it there: whether that is all, an unchanged `generationOf()` tells.
 *
 * @see https://www.mongodb.com/docs/manual/reference/write-concern/
 */
export async function confirm(model: AnyModel, concern: WriteConcern): Promise<void> {
  const nothing = { _id: new Types.ObjectId() };
  const options = { ...concern, maxTimeMS: MAX_WAIT_MS };
  await persistently(() => collectionOf(model).updateOne(nothing as never, { $unset: { _task: true } }, options));
}
