import type { ClientSession } from 'mongoose';
import { collectionOf, type Definition, type Filter, type RawDocument } from '../definition/definition';
import { LIVE_STATES } from '../fields';
import { indexName } from '../indexes/claim-index';
import { withIndexes } from '../indexes/prepare';
import { answered } from '../server/time-limit';

/** Thrown when a live task has the key. */
export class KeyTakenError extends Error {
  override name = 'KeyTakenError';
}

/** The filter for the live tasks with a key. */
export function liveOf({ options, kind, kindOnly }: Definition, key: string): Filter {
  const ofKind = kind && kindOnly ? { [kind.key]: kind.value } : {};

  return { '_task.key': key, [options.fields.state]: { $in: [...LIVE_STATES] }, ...ofKind };
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
  key: string,
  session: ClientSession | null,
): Promise<void> {
  const { upsertedCount } = await upsert(definition, key, { $literal: document }, session);
  if (upsertedCount === 0) throw new KeyTakenError();
}

/** A document that the server refuses to insert, by IS_NO_DOCUMENT: then no live task has the key. */
const NO_DOCUMENT = { $literal: null };
const IS_NO_DOCUMENT = 40_228;

/**
 * Refuses a key that a live task has, for a task that is inserted by other means.
 *
 * @throws {KeyTakenError}
 */
export async function refuseTaken(definition: Definition, key: string): Promise<void> {
  if (await isTaken(definition, key)) throw new KeyTakenError();
}

/** Whether a live task has the key. Makes sure that the index of keys exists. */
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
