import { type ClientSession, mongo } from 'mongoose';
import {
  type AnyDocument,
  type AnyModel,
  type Definition,
  hydrate,
  type RawDocument,
  rootOf,
} from '../definition/definition';
import { TaskStateError } from '../errors';
import { isLive } from '../fields';
import { indexName } from '../indexes/claim-index';
import { formsOf, liveOf, ofKey } from '../indexes/key-index';
import { forgetIndexes, indexesReady, withIndexes } from '../indexes/prepare';
import { read } from '../server/read';
import { isMissingIndex } from '../server/transient';
import { sleep } from '../timers';
import { sentenceOf } from '../values/describe';
import { hasKept, isExact, shownId } from '../values/id';

/** The tasks of one key that the index has. */
export interface OfKey {
  /** The one that has the key: live, or settled with a window that may be open. */
  readonly front: RawDocument | null;
  /** The live one that is to end before the front one may start. */
  readonly aside: RawDocument | null;
}

/** How long a push in a transaction waits for the indexes, in milliseconds. */
const MAX_INDEX_WAIT_MS = 1_000;

/** Resolves once the index of keys exists. In a transaction it rejects if that takes long. */
export function keysReady(model: AnyModel, session: ClientSession | null): Promise<void> {
  return session?.inTransaction() ? indexesReadyBeside(model) : indexesReady(model);
}

/** Reads the tasks of a key. Without the index it is built, or the transaction ended: a duplicate would be stored in silence. */
export async function readOfKey(definition: Definition, key: string, session: ClientSession | null): Promise<OfKey> {
  const { model } = definition;
  if (!session?.inTransaction()) return withIndexes(model, () => find(definition, key, session));
  try {
    return await find(definition, key, session);
  } catch (error) {
    if (!isMissingIndex(error)) throw error;
    forgetIndexes(model);
    throw runAgain(model);
  }
}

/**
 * The handle of a task that was read by its key: kinds of one base share their keys, so it may be of another kind.
 *
 * @throws {TaskStateError} when a hook of the schema, or what another program has stored, makes a document of it impossible.
 */
export function hydrateOfKey({ model, hidden, kindOnly, options }: Definition, raw: RawDocument): AnyDocument {
  try {
    const document = hydrate({ model: kindOnly ? model : rootOf(model), hidden }, raw);
    if (!hasKept(document._id, raw._id)) throw new TypeError('The schema makes another `_id` of it.');

    return document;
  } catch (error) {
    throw new TaskStateError(
      `The ${model.modelName} that has the key, ${shownId(raw._id)}, cannot be read: ${sentenceOf(error)} Push with \`onDuplicate: 'replace'\` to give it other fields, or remove it.`,
      raw._id,
      raw[options.fields.state] as string,
    );
  }
}

/** @throws {TaskStateError} for a task that no write can name, so that nothing can be done with its key. */
export function requireNameable({ model, options }: Definition, { front, aside }: OfKey): void {
  const odd = [front, aside].find((one) => one !== null && !isExact(one._id));
  if (!odd) return;
  throw new TaskStateError(
    `The ${model.modelName} that has the key, ${shownId(odd._id)}, has an \`_id\` that the driver cannot send as it reads it. Remove it by the program that wrote it.`,
    odd._id,
    odd[options.fields.state] as string,
  );
}

async function find(definition: Definition, key: string, session: ClientSession | null): Promise<OfKey> {
  const { model, options, hidden } = definition;
  const { [options.fields.state]: live } = liveOf(definition, key);
  const filter = {
    ...ofKey(definition, ...formsOf(key)),
    $or: [{ [options.fields.state]: live }, { '_task.throttledUntil': { $exists: true } }],
  };
  const found = await read(model, {
    filter,
    hint: indexName(definition, 'key'),
    limit: formsOf(key).length,
    ...(hidden && { projection: hidden }),
    ...(session && { session }),
  });
  const isFront = ({ _task: task }: RawDocument) => (task as { key: unknown }).key === key;

  return {
    front: found.find(isFront) ?? null,
    aside: found.find((one) => !isFront(one) && isLive(one[options.fields.state])) ?? null,
  };
}

// An index cannot be built beside a transaction that has written to the collection: waiting for it would never end.
async function indexesReadyBeside(model: AnyModel): Promise<void> {
  const ready = indexesReady(model).then(() => true);
  if (await Promise.race([ready, sleep(MAX_INDEX_WAIT_MS, false, { ref: false })])) return;

  throw runAgain(model);
}

function runAgain(model: AnyModel): Error {
  const message = `The indexes of ${model.modelName} are not built yet, and not beside this transaction. Call \`ensureTaskIndexes()\` when the program starts.`;
  const error = new mongo.MongoServerError({ message });
  // With this label the driver ends the transaction and runs its callback again.
  error.addErrorLabel('TransientTransactionError');
  return error;
}
