import { isDeepStrictEqual } from 'node:util';
import { type ClientSession, Error as MongooseError } from 'mongoose';
import { type AnyDocument, collectionOf, definitionOf, type Filter, modelOf } from '../definition/definition';
import { explained } from '../server/explain-error';
import { NEWEST } from '../server/read';
import { answered, NoAnswerError } from '../server/time-limit';
import { type Handle, handleOf } from '../task/handle';
import { addBookkeeping, type Change } from './change';
import { canDivert, divert, type Send } from './divert';
import { tokenIn, writeHeld } from './held-writes';
import { hasMisfit, remember } from './restore';
import { stage, unstage } from './stage-changes';
import { beginSave, withTrace } from './traces';

// Whether a save can succeed. A value that could not be cast when it was set counts as no modification, but makes a save fail. A stored
// value that does not fit has an error of another name, and must not keep the task from being settled.
export function canSave(document: AnyDocument): boolean {
  const { $errors } = document as { $errors?: Record<string, Error> };

  return !$errors || Object.values($errors).every(({ name }) => name !== 'CastError');
}

/** Throws what a save hook threw after the document was written: the write counts, and the caller gets the hook's error. */
export function throwHookError(document: AnyDocument): void {
  const handle = handleOf(document);
  const { hookError: thrown } = handle;
  handle.hookError = null;
  if (thrown) throw thrown.error;
}

// `$op` alone does not tell: Mongoose 8 leaves it at 'save' after a `bulkSave()`.
function isBeingSaved(document: AnyDocument): boolean {
  const { $op, $__ } = document as { $op: string | null; $__?: { saving?: unknown } };

  return Boolean($__?.saving) || $op === 'validate';
}

/** How many periods a save waits for an answer (see `answered`): its hooks are the user's and may take long. */
export const SAVE_PATIENCE = 4;

function letGo(document: AnyDocument): void {
  const { $__: tracking } = document as { $__?: { saving?: unknown } };
  (document as { $op: string | null }).$op = null;
  if (tracking) delete tracking.saving;
}

async function savedWithin(document: AnyDocument, options: object): Promise<void> {
  try {
    await answered(
      beginSave(() => document.save(options)),
      undefined,
      SAVE_PATIENCE,
    );
  } catch (error) {
    // A save that never ends must not keep the document from being saved again.
    if (error instanceof NoAnswerError) letGo(document);
    throw withTrace(error);
  }
}

/** Handles whose last writes failed: they may have been carried out nevertheless. */
const failedBefore = new WeakSet<Handle>();

/** Notes that a write of a document failed, so that its next one is not taken for that one. */
export function noteFailed(document: AnyDocument): void {
  failedBefore.add(handleOf(document));
}

/** Saves a document with a change of its task's state. Saves of one moment that end leases are one write. */
export async function save(
  document: AnyDocument,
  filter: Filter,
  change: Change,
  session: ClientSession | null,
): Promise<boolean> {
  const { model, options } = definitionOf(modelOf(document));
  const { fields } = options;
  const canJoin = !session && (await canDivert(model));
  const send = canJoin ? joined(document, filter, change) : null;
  // A save of the user's that is under way would write the bookkeeping staged here.
  if (isBeingSaved(document)) throw new MongooseError.ParallelSaveError(document as never);

  const handle = handleOf(document);
  const restore = remember(document);
  handle.saving = true;
  document.set(fields.state, change.state);
  document.markModified(fields.state);
  const end = send ? lead(document, send) : carry(document, filter, change);
  try {
    // A stored misfit that was not changed must not keep the task from being settled.
    const validateModifiedOnly = hasMisfit(document) && canSave(document);
    await savedWithin(document, { session, ...(validateModifiedOnly && { validateModifiedOnly }) });
    return true;
  } catch (error) {
    end();
    if (!document.isDirectModified(fields.state)) {
      handle.hookError = { error };
      return true;
    }
    restore();
    if (isNotFound(error) && !(await matches(document, filter, session))) return false;
    throw explained(error);
  } finally {
    end();
    handle.saving = false;
  }
}

/** How the update of a save is sent together with others, or null if it cannot be. */
function joined(document: AnyDocument, filter: Filter, change: Change): Send | null {
  const definition = definitionOf(modelOf(document));
  const handle = handleOf(document);
  const token = tokenIn(document, filter, change);
  const isConfirmed = definition.writeConcern.writeConcern?.w !== 0;
  if (!token || !isConfirmed || handle.userFilter) return null;

  return async (where, update, options) => {
    Object.assign(where, filter);
    addBookkeeping(update, change);
    // A hook may have given the document a session, or the save another write concern.
    const isUsual = isDeepStrictEqual(options, definition.writeConcern);
    // A hook after the save may save once more: what the next holder has written is not to be overwritten by that.
    document.$where = { ...document.$where, '_task.token': token };
    if (!isUsual) return collectionOf(definition.model).updateOne(where, update, options);
    const isRepeat = failedBefore.has(handle);
    const write = { token, state: change.state, filter: where, update, isRepeat };
    return { matchedCount: Number(await writeHeld(definition, write)) };
  };
}

/** Diverts the update. Returns a function that ends this, and what `send` does to the document's filter. */
function lead(document: AnyDocument, send: Send): () => void {
  const userFilter = document.$where;
  const end = divert(document, send);

  return () => {
    end();
    filterBy(document, userFilter);
  };
}

/** Puts filter and bookkeeping into the document. Returns a function that takes them out. */
function carry(document: AnyDocument, filter: Filter, change: Change): () => void {
  const handle = handleOf(document);
  const userFilter = handle.userFilter ? handle.userFilter.filter : document.$where;
  handle.userFilter = null;
  document.$where = { ...userFilter, ...filter };
  stage(document, change);
  let isIn = true;

  return () => {
    if (!isIn) return;
    isIn = false;
    unstage(document);
    filterBy(document, userFilter);
  };
}

function filterBy(document: AnyDocument, filter: Filter | undefined): void {
  if (filter) document.$where = filter;
  else delete (document as { $where?: Filter }).$where;
}

async function matches(document: AnyDocument, filter: Filter, session: ClientSession | null): Promise<boolean> {
  const found = await answered(
    collectionOf(modelOf(document)).findOne(
      { _id: document._id, ...filter },
      {
        projection: { _id: 1 },
        ...NEWEST,
        ...(session && { session }),
      },
    ),
  );

  return found !== null;
}

// Mongoose throws one of two errors when nothing matched, whether because of our filter, the version or the user's `$where`.
function isNotFound(error: unknown): boolean {
  return error instanceof Error && (error.name === 'DocumentNotFoundError' || error.name === 'VersionError');
}
