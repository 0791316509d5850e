import type { AnyDocument } from '../definition/definition';
import type { Change } from './change';
import { rawFields, unmark } from './restore';

/** Puts bookkeeping into the document, so that the next save writes it. */
export function stage(document: AnyDocument, { task }: Pick<Change, 'task'>): void {
  if (document.isNew) {
    document.set('_task', task, { strict: false });
    return;
  }
  // Mongoose would create the object by itself, but not for a schema with `strict: 'throw'`.
  rawFields(document)['_task'] = {};
  for (const [name, value] of Object.entries(task)) {
    document.set(`_task.${name}`, value, { strict: false });
    document.markModified(`_task.${name}`);
  }
}

/** Removes a `_task` that came with the input, from a request perhaps: only the queue writes its bookkeeping. */
export function dropForged(document: AnyDocument): void {
  if ('_task' in rawFields(document)) unstage(document);
}

/** Removes staged bookkeeping from the document. */
export function unstage(document: AnyDocument): void {
  delete rawFields(document)['_task'];
  delete (document as { _task?: unknown })._task;
  for (const path of document.directModifiedPaths()) {
    if (path === '_task' || path.startsWith('_task.')) unmark(document, path);
  }
}

/** Sets a path to what is already in the database, so that a later save does not write it. */
export function setQuietly(document: AnyDocument, path: string, value: unknown): void {
  document.set(path, value);
  unmark(document, path);
}
