import type { ClientSession, Types } from 'mongoose';
import { collectionOf, type Definition, type RawDocument } from '../definition/definition';
import { indexName } from '../indexes/claim-index';
import { formsOf, liveOf } from '../indexes/key-index';
import { withIndexes } from '../indexes/prepare';
import { codeOf } from '../server/permanent';
import { answered } from '../server/time-limit';

/** Thrown when a live task has the key. */
export class KeyTakenError extends Error {
  override name = 'KeyTakenError';
}

/** A key, and for a successor the name of the task it waits for, which does not count as one that has the key. */
export interface Wanted {
  readonly key: string;
  readonly behind: Types.ObjectId | undefined;
}

/**
 * Inserts a task unless a live one has its key. A plain insert succeeds without the unique index, which may have been dropped; an
 * upsert that hints the index is refused then, and repeated once the index is built again.
 *
 * @throws {KeyTakenError}
 */
export async function insertUnderKey(
  definition: Definition,
  document: RawDocument,
  wanted: Wanted,
  session: ClientSession | null,
): Promise<void> {
  const { upsertedCount } = await upsert(definition, wanted, { $literal: document }, session);
  if (upsertedCount === 0) throw new KeyTakenError();
}

/** A document that the server refuses to insert, by IS_NO_DOCUMENT: then no live task has the key. */
const NO_DOCUMENT = { $literal: null };
const IS_NO_DOCUMENT = 40_228;

/**
 * Refuses a key that a live task has, for a task that is inserted by other means. Makes sure that the index of keys exists.
 *
 * @throws {KeyTakenError}
 */
export async function refuseTaken(definition: Definition, wanted: Wanted): Promise<void> {
  try {
    await upsert(definition, wanted, NO_DOCUMENT, null);
  } catch (error) {
    if (codeOf(error) === IS_NO_DOCUMENT) return;
    throw error;
  }
  throw new KeyTakenError();
}

async function upsert(
  definition: Definition,
  { key, behind }: Wanted,
  document: object,
  session: ClientSession | null,
) {
  const { model, writeConcern } = definition;
  const filter = { ...liveOf(definition, ...formsOf(key)), ...(behind && { '_task.aside': { $ne: behind } }) };
  const isFound = { $ne: [{ $type: '$_id' }, 'missing'] };
  const update = [{ $replaceWith: { $cond: [isFound, '$$ROOT', document] } }];
  const options = { upsert: true, hint: indexName(definition, 'key'), ...writeConcern, ...(session && { session }) };

  return withIndexes(model, () => answered(collectionOf(model).updateOne(filter, update, options)));
}
