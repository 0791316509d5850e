import type { AnyDocument } from '../definition/definition';
import { handleOf } from '../task/handle';

/**
 * Remembers a document as it is, modifications and lease included. The returned function puts it back, so that a write whose
 * transaction was not committed can be made again by the same handle.
 */
export function remember(document: AnyDocument): () => void {
  const { isNew } = document;
  const handle = handleOf(document);
  const { settling: _, settlesBegun: _begun, settlesEnded: _ended, ...before } = handle;
  const modified = document.directModifiedPaths();
  const fields = { ...rawFields(document) };

  return () => {
    Object.assign(handle, before);
    const raw = rawFields(document);
    // Only plain values: arrays and sub-documents keep their identity, and what was changed in them is marked as changed again.
    for (const path of Object.keys(raw)) {
      if (!(path in fields)) delete raw[path];
      else if (isPlain(fields[path]) && raw[path] !== fields[path]) raw[path] = fields[path];
    }
    for (const path of document.directModifiedPaths()) unmark(document, path);
    for (const path of modified) document.markModified(path);
    document.isNew = isNew;
  };
}

/** Makes a path one that a save leaves out. */
export function unmark(document: AnyDocument, path: string): void {
  // After a save that failed, Mongoose unmarks only what was marked since.
  document.markModified(path);
  document.unmarkModified(path);
}

/** Whether a value was stored that does not fit the schema: where there is one, Mongoose notes it when it reads the document. */
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
