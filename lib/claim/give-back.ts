import type { Types } from 'mongoose';
import { collectionOf, type Definition } from '../definition';
import { State } from '../fields';
import { heldBy } from './held-by';

/** Puts tasks of one claim back as if they had not been claimed. */
export async function giveBack(definition: Definition, ids: readonly unknown[], token: Types.ObjectId): Promise<void> {
  const { model, options, writeConcern } = definition;
  const returned = {
    [options.fields.state]: State.CREATED,
    '_task.availableAt': '$_task.dueAt',
    '_task.attempts': { $subtract: ['$_task.attempts', 1] },
  };
  await collectionOf(model).updateMany(heldBy(definition, token, ids), [{ $set: returned }], writeConcern);
}
