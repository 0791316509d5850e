import { type ClientSession, mongo } from 'mongoose';
import {
  type AnyDocument,
  type AnyModel,
  collectionOf,
  definitionOf,
  hydrate,
  modelOf,
  rootOf,
} from '../definition/definition';
import { indexName } from '../indexes/claim-index';
import { forgetIndexes, indexesReady, withIndexes } from '../indexes/prepare';
import { NEWEST } from '../server/read';
import { answered } from '../server/time-limit';
import { isMissingIndex } from '../server/transient';
import { sleep } from '../timers';
import { KeyTakenError, liveOf } from './key-index';

/** How long a push in a transaction waits for the indexes, in milliseconds. */
const MAX_INDEX_WAIT_MS = 1_000;

/**
 * Queues a document under a key by `write`, or resolves to the live task that has the key. The unique index decides: the second push
 * finds the task of the first, or tries again if that task was settled in between.
 */
export async function uniquely(
  document: AnyDocument,
  key: string,
  session: ClientSession | null,
  write: () => Promise<AnyDocument>,
): Promise<AnyDocument> {
  const model = modelOf(document);
  const inTransaction = session?.inTransaction() ?? false;
  await (inTransaction ? indexesReadyBeside(model) : indexesReady(model));
  for (;;) {
    // A duplicate key would abort the transaction, so the live task is looked up before.
    const earlier = inTransaction ? await findLiveBeside(model, key, session) : null;
    if (earlier && String(earlier._id) !== String(document._id)) return earlier;
    try {
      return await write();
    } catch (error) {
      if (inTransaction || !(error instanceof KeyTakenError || isDuplicateKey(error))) throw error;
    }
    const live = await withIndexes(model, () => findLive(model, key, session));
    if (live) return live;
  }
}

// An index cannot be built beside a transaction that has written to the collection: waiting for it would never end.
async function indexesReadyBeside(model: AnyModel): Promise<void> {
  const ready = indexesReady(model).then(() => true);
  if (await Promise.race([ready, sleep(MAX_INDEX_WAIT_MS, false, { ref: false })])) return;

  throw runAgain(model);
}

// Without the index a duplicate would be stored in silence, so a missing index ends the transaction.
async function findLiveBeside(
  model: AnyModel,
  key: string,
  session: ClientSession | null,
): Promise<AnyDocument | null> {
  try {
    return await findLive(model, key, session);
  } catch (error) {
    if (!isMissingIndex(error)) throw error;
    forgetIndexes(model);
    throw runAgain(model);
  }
}

function runAgain(model: AnyModel): Error {
  const message = `The indexes of ${model.modelName} are not built yet, and not beside this transaction. Call \`ensureTaskIndexes()\` when the program starts.`;
  const error = new mongo.MongoServerError({ message });
  // With this label the driver ends the transaction and runs its callback again.
  error.addErrorLabel('TransientTransactionError');
  return error;
}

async function findLive(model: AnyModel, key: string, session: ClientSession | null): Promise<AnyDocument | null> {
  const definition = definitionOf(model);
  const { hidden, kindOnly } = definition;
  const raw = await answered(
    collectionOf(model).findOne(liveOf(definition, key), {
      hint: indexName(definition, 'key'),
      ...(hidden && { projection: hidden }),
      ...NEWEST,
      ...(session && { session }),
    }),
  );

  // Kinds of one base share their keys: the live task may be of another kind.
  return raw && hydrate({ model: kindOnly ? model : rootOf(model), hidden }, raw);
}

export function isDuplicateKey(error: unknown): boolean {
  // For one statement of a bulk write the driver keeps only the text of the error.
  const { code, keyPattern, message, errmsg } = error as Partial<mongo.MongoServerError>;

  return code === 11_000 && (keyPattern ? '_task.key' in keyPattern : `${message}${errmsg}`.includes('task_key'));
}
