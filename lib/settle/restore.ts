import type { AnyDocument } from '../definition/definition';
import { handleOf, undoable } from '../task/handle';

/**
 * Remembers a document as it is, modifications and lease included. The returned function restores it, so that a write that failed can
 * be made again by the same handle.
 */
export function remember(document: AnyDocument): () => void {
  const { isNew } = document;
  const handle = handleOf(document);
  const before = undoable(handle);
  const modified = document.directModifiedPaths();
  const fields = { ...rawFields(document) };

  return () => {
    Object.assign(handle, before);
    const raw = rawFields(document);
    // Only plain values: arrays and sub-documents keep their identity, and their changed paths are marked as modified again.
    for (const path of Object.keys(raw)) {
      if (!(path in fields)) delete raw[path];
      else if (isPlain(fields[path]) && raw[path] !== fields[path]) raw[path] = fields[path];
    }
    for (const path of document.directModifiedPaths()) unmark(document, path);
    for (const path of modified) document.markModified(path);
    document.isNew = isNew;
  };
}

/** Unmarks a modified path, so that a save leaves it out. */
export function unmark(document: AnyDocument, path: string): void {
  // Marked first: after a failed save, Mongoose unmarks only paths that were marked since.
  document.markModified(path);
  document.unmarkModified(path);
}

/** Whether the document was read with a stored value that does not fit the schema. */
export function hasMisfit(document: AnyDocument): boolean {
  const { $errors } = document as { $errors?: Record<string, { name: string; kind?: string }> };

  return (
    $errors !== undefined && Object.values($errors).some(({ name, kind }) => name !== 'CastError' && kind === 'cast')
  );
}

/** The document's own values, by path, without getters and casts. */
export function rawFields(document: AnyDocument): Record<string, unknown> {
  return (document as unknown as { _doc: Record<string, unknown> })._doc;
}

function isPlain(value: unknown): boolean {
  return value === null || typeof value !== 'object' || value instanceof Date;
}
