import { AssertionError } from 'node:assert';
import { Types } from 'mongoose';
import { waitAfterLease } from '../claim/takeover';
import { type AnyDocument, collectionOf, definitionOf, modelOf } from '../definition/definition';
import type { DocumentLike } from '../model/input';
import { handleOf } from '../task/handle';
import { heldBy } from '../task/held';
import { shownId } from '../values/id';

/**
 * Lets the process that holds a task be dead: its lease ends now, and another pop takes the task over, as after a kill. From the second
 * attempt on the task comes back with the model's backoff. The document of the dead process gets `LeaseLostError` once that has happened.
 *
 * @throws {AssertionError} when the document does not hold its task.
 */
export async function crash(task: DocumentLike): Promise<void> {
  const document = task as unknown as AnyDocument;
  const definition = definitionOf(modelOf(document));
  const { lease } = handleOf(document);
  const over = { $add: ['$$NOW', lease ? waitAfterLease(lease.attempt, definition.options) : 0] };
  const { matchedCount } = lease
    ? await collectionOf(definition.model).updateOne(
        heldBy(definition, new Types.ObjectId(lease.token), [document._id]),
        [{ $set: { '_task.availableAt': over } }],
      )
    : { matchedCount: 0 };
  if (matchedCount === 1) return;

  throw new AssertionError({
    message: `Expected ${definition.model.modelName} ${shownId(document._id)} to be held by this document for \`crash()\`. Pop it first.`,
  });
}
