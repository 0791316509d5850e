import type { ClientSession } from 'mongoose';
import { collectionOf, type Definition, type Filter, type RawDocument } from '../definition/definition';
import { LIVE_STATES } from '../fields';
import { indexName } from '../indexes/claim-index';
import { withIndexes } from '../indexes/prepare';
import { answered } from '../server/time-limit';

/** A live task has the key. */
export class KeyTakenError extends Error {
  override name = 'KeyTakenError';
}

/** The live tasks of a key. */
export function liveOf({ options, kind, kindOnly }: Definition, key: string): Filter {
  const ofKind = kind && kindOnly ? { [kind.key]: kind.value } : {};

  return { '_task.key': key, [options.fields.state]: { $in: [...LIVE_STATES] }, ...ofKind };
}

/**
 * Inserts a task unless a live one has its key. An insert says nothing of a unique index that was dropped, with its collection
 * perhaps; an upsert that hints it is refused by the server, and repeated when the index is there again.
 *
 * @throws {KeyTakenError}
 */
export async function insertUnderKey(
  definition: Definition,
  document: RawDocument,
  key: string,
  session: ClientSession | null,
): Promise<void> {
  const { upsertedCount } = await upsert(definition, key, { $literal: document }, session);
  if (upsertedCount === 0) throw new KeyTakenError();
}

/** What the server refuses to insert: then nothing was found that has the key. */
const NO_DOCUMENT = { $literal: null };
const IS_NO_DOCUMENT = 40_228;

/**
 * The same for a task that is inserted by other means.
 *
 * @throws {KeyTakenError}
 */
export async function refuseTaken(definition: Definition, key: string): Promise<void> {
  if (await isTaken(definition, key)) throw new KeyTakenError();
}

/** Whether a live task has the key, after making sure that the index is there. */
export async function isTaken(definition: Definition, key: string): Promise<boolean> {
  try {
    await upsert(definition, key, NO_DOCUMENT, null);
    return true;
  } catch (error) {
    if ((error as { code?: unknown }).code === IS_NO_DOCUMENT) return false;
    throw error;
  }
}

async function upsert(definition: Definition, key: string, document: object, session: ClientSession | null) {
  const { model, writeConcern } = definition;
  const isFound = { $ne: [{ $type: '$_id' }, 'missing'] };
  const update = [{ $replaceWith: { $cond: [isFound, '$$ROOT', document] } }];
  const options = { upsert: true, hint: indexName(definition, 'key'), ...writeConcern, ...(session && { session }) };

  return withIndexes(model, () => answered(collectionOf(model).updateOne(liveOf(definition, key), update, options)));
}
