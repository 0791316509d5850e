import type { AnyDocument, AnySchema } from '../definition/definition';
import { LeaseLostError } from '../errors';
import { beforeAll, builtIn, hasHook } from '../settle/middleware';
import { readStoredState, refusal } from '../settle/refusal';
import { hasMisfit, unmark } from '../settle/restore';
import { keepForUndo } from '../settle/snapshot';
import { dropForged } from '../settle/stage-changes';
import { forgetUnchanged } from '../settle/tasks-in-hand';
import { traceAgain } from '../settle/traces';
import { type Bookkeeping, handleOf, takeBookkeeping } from '../task/handle';
import { holdFilter } from '../task/held';
import { changesReferences, judgeAnew } from '../waiting/change';

/** Keeps `_task` out of documents, and the saves of a handle that lost its lease out of the database. */
export function addHooks(schema: AnySchema): void {
  // Mongoose's types want a hook for the schema's own document type, which is unknown here.
  const [beforeInit, afterInit, beforeSave, afterSave, afterFailedSave] = hooks as never[];
  beforeAll(schema, 'save', keep);
  schema.pre('init', beforeInit!);
  schema.post('init', afterInit!);
  schema.pre('save', beforeSave!);
  schema.post('save', afterSave!);
  schema.post('save', afterFailedSave!);
}

/** Whether a schema has them: a kind may have been made without those of its base. */
export function hasHooks(schema: AnySchema): boolean {
  return hasHook(schema, 'init', hooks[0]!);
}

const keep = builtIn(function keep(this: AnyDocument) {
  traceAgain();
  keepForUndo(this.$session(), this);
});

const hooks = [
  function takeTask(this: AnyDocument, raw: { _task?: Bookkeeping }) {
    takeBookkeeping(this, raw);
  },
  // A value that was read is no modification, but Mongoose marks a stored single value as modified if its path is an array.
  function takeAsStored(this: AnyDocument) {
    if (hasMisfit(this)) for (const path of this.directModifiedPaths()) unmark(this, path);
  },
  function fenceSave(this: AnyDocument) {
    fence(this);
    handleOf(this).rejudge = changesReferences(this);
  },
  // Not `async`: a promise is waited for by each save.
  function unfenceSave(this: AnyDocument) {
    unfence(this);
    forgetUnchanged(this);
    return handleOf(this).rejudge ? judgeAnew(this, this.$session()) : undefined;
  },
  function unfenceFailedSave(this: AnyDocument, error: Error, _document: unknown, next: (error: Error) => void) {
    unfence(this);
    explainLost(this, error).then(next, next);
  },
].map(builtIn);

// A save by a handle with a lease must not overwrite fields that the next holder has written.
function fence(document: AnyDocument): void {
  const handle = handleOf(document);
  if (handle.saving) return;
  dropForged(document);
  // A failed `bulkSave()` runs no hook that would have removed an earlier fence.
  unfence(document);
  if (document.isNew || !handle.lease) return;

  handle.userFilter = { filter: document.$where };
  document.$where = { ...document.$where, ...holdFilter(document) };
}

function unfence(document: AnyDocument): void {
  const handle = handleOf(document);
  if (!handle.userFilter) return;

  if (handle.userFilter.filter) document.$where = handle.userFilter.filter;
  else delete (document as { $where?: unknown }).$where;
  handle.userFilter = null;
}

async function explainLost(document: AnyDocument, error: Error): Promise<Error> {
  const { lease: held, saving } = handleOf(document);
  const isUnmatched = error.name === 'DocumentNotFoundError' || error.name === 'VersionError';
  if (!held || saving || !isUnmatched) return error;

  const reason = refusal(document, 'save', await readStoredState(document, document.$session()));
  return reason instanceof LeaseLostError ? reason : error;
}
