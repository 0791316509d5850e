import type { ClientSession } from 'mongoose';
import { type AnyDocument, collectionOf, definitionOf, type Filter, modelOf } from '../definition/definition';
import { clausesOf } from '../dependencies/clauses';
import { State } from '../fields';
import { answered } from '../server/time-limit';
import { wakening } from './woken';

/** Whether the save under way changes what the task waits for. */
export function changesReferences(document: AnyDocument): boolean {
  if (document.isNew) return false;

  return clausesOf(modelOf(document)).some(
    ({ path, refPath }) => document.isModified(path) || (refPath !== null && document.isModified(refPath)),
  );
}

/**
 * Puts a parked task back in the queue after its references were saved: the next pop judges it by the new ones. A write of its
 * own, because the save may have met a task that is held by now, whose lease it must not touch.
 */
export async function judgeAnew(document: AnyDocument, session: ClientSession | null): Promise<void> {
  const { model, options, writeConcern } = definitionOf(modelOf(document));
  const parked: Filter = {
    _id: document._id,
    [options.fields.state]: State.CREATED,
    '_task.waitingOn': { $exists: true },
  };

  await answered(collectionOf(model).updateOne(parked, wakening, { ...writeConcern, ...(session && { session }) }));
}
