import { type ClientSession, Error as MongooseError } from 'mongoose';
import { type AnyDocument, collectionOf, definitionOf, type Filter, modelOf } from '../definition/definition';
import { explained } from '../server/explain-error';
import { NEWEST } from '../server/read';
import { answered, NoAnswerError } from '../server/time-limit';
import { handleOf } from '../task/handle';
import type { Change } from './change';
import { hasMisfit, remember } from './restore';
import { stage, unstage } from './stage-changes';

// Whether a save can succeed. A value that could not be cast when it was set counts as no modification, but makes a save fail. A stored
// value that does not fit has an error of another name, and must not keep the task from being settled.
export function canSave(document: AnyDocument): boolean {
  const { $errors = {} } = document as { $errors?: Record<string, Error> };

  return Object.values($errors).every(({ name }) => name !== 'CastError');
}

const hookErrors = new WeakMap<AnyDocument, { readonly error: unknown }>();

/** Throws what a save hook threw after the document was written: the write counts, and the caller gets the hook's error. */
export function throwHookError(document: AnyDocument): void {
  const thrown = hookErrors.get(document);
  hookErrors.delete(document);
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
    await answered(document.save(options), undefined, SAVE_PATIENCE);
  } catch (error) {
    // A save that never ends must not keep the document from being saved again.
    if (error instanceof NoAnswerError) letGo(document);
    throw error;
  }
}

export async function save(
  document: AnyDocument,
  filter: Filter,
  change: Change,
  session: ClientSession | null,
): Promise<boolean> {
  // A save of the user's that is under way would write the bookkeeping staged here.
  if (isBeingSaved(document)) throw new MongooseError.ParallelSaveError(document as never);

  const { fields } = definitionOf(modelOf(document)).options;
  const handle = handleOf(document);
  const userFilter = handle.userFilter ? handle.userFilter.filter : document.$where;
  const restore = remember(document);

  Object.assign(handle, { saving: true, userFilter: null });
  document.$where = { ...userFilter, ...filter };
  document.set(fields.state, change.state);
  document.markModified(fields.state);
  stage(document, change);
  try {
    // A stored misfit that was not changed must not keep the task from being settled.
    const validateModifiedOnly = hasMisfit(document) && canSave(document);
    await savedWithin(document, { session, ...(validateModifiedOnly && { validateModifiedOnly }) });
    unstage(document);
    return true;
  } catch (error) {
    const isWritten = !document.isDirectModified(fields.state);
    unstage(document);
    if (isWritten) {
      hookErrors.set(document, { error });
      return true;
    }
    restore();
    if (isNotFound(error) && !(await matches(document, filter, session))) return false;
    throw explained(error);
  } finally {
    handle.saving = false;
    if (userFilter === undefined) delete (document as { $where?: Filter }).$where;
    else document.$where = userFilter;
  }
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
