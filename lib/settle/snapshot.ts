import { type ClientSession, Document } from 'mongoose';
import type { AnyDocument } from '../definition/definition';
import { whenUndone } from '../definition/transaction';
import { handleOf, undoable } from '../task/handle';
import { rawFields } from './restore';

/**
 * Restores the document to its present values if the session's transaction is not committed. The first call for a document in a
 * transaction counts. Without a transaction it does nothing.
 */
export function keepForUndo(session: ClientSession | null, document: AnyDocument): void {
  whenUndone(session, document, () => snapshot(document));
}

type Restore = () => void;

/**
 * Remembers a document and its handle: every value, what counts as modified, how arrays changed. The returned function restores the same
 * objects, so that an array or sub-document the caller holds still belongs to the document.
 */
export function snapshot(document: AnyDocument): Restore {
  const handle = handleOf(document);
  const before = undoable(handle);
  const restore = snapshotDocument(document);

  return () => {
    const { lease, saving, userFilter } = handle;
    // If the task was held and still is, its present lease stays: it may have been renewed, or be a later one.
    const isNewer = lease !== null && before.lease !== null;
    Object.assign(handle, before, { saving, userFilter }, isNewer && { lease });
    restore();
  };
}

// Mongoose's private record of a document's changes. There is no public way to restore it; Mongoose's own transactions write it too.
interface Tracking {
  activePaths: { paths: Record<string, string>; states: Record<string, Record<string, true>> };
  savedState?: object | undefined;
  primitiveAtomics?: object | undefined;
  populated?: object | undefined;
  adhocPaths?: object | undefined;
  validationError?: unknown;
  version?: unknown;
  isDeleted?: unknown;
}

type Tracked = AnyDocument & {
  _doc: object;
  $__: Tracking;
  $isNew: boolean;
  $errors?: object | undefined;
  __index?: number;
};

function snapshotDocument(document: AnyDocument): Restore {
  const tracked = document as Tracked;
  const { $isNew, $errors, __index, $__: tracking } = tracked;
  const { version, isDeleted, validationError } = tracking;
  const { activePaths } = tracking;
  const changes = cloneOf({ paths: activePaths.paths, states: activePaths.states });
  const savedState = copyOf(tracking.savedState);
  const primitiveAtomics = cloneOf(tracking.primitiveAtomics);
  const populated = copyOf(tracking.populated);
  const adhocPaths = copyOf(tracking.adhocPaths);
  const errors = copyOf($errors);
  const fields = rawFields(document);
  const restoreFields = snapshotObject(fields);

  return () => {
    restoreFields();
    // `set()` of an object puts the fields in another order by another object.
    tracked._doc = fields;
    Object.assign(activePaths, changes);
    Object.assign(tracking, {
      savedState,
      primitiveAtomics,
      populated,
      adhocPaths,
      version,
      isDeleted,
      validationError,
    });
    // A save may have put the fields in another object, in order to sort them.
    Object.assign(tracked, { $isNew, $errors: errors });
    if (__index !== undefined) tracked.__index = __index;
  };
}

/** Remembers what can change within a value. The value itself is remembered by its container. */
function snapshotValue(value: unknown): Restore | null {
  if (value === null || typeof value !== 'object') return null;
  if (value instanceof Document) return isEmbedded(value) ? snapshotDocument(value as AnyDocument) : null;
  if (Array.isArray(value)) return snapshotArray(value);
  if (value instanceof Map) return snapshotMap(value);
  if (value instanceof Date) return snapshotDate(value);
  if (Buffer.isBuffer(value)) return snapshotBytes(value);

  return isPlainObject(value) ? snapshotObject(value as Record<string, unknown>) : null;
}

function snapshotObject(fields: Record<string, unknown>): Restore {
  const before = Object.entries(fields);
  const within = restoresOf(before.map(([, value]) => value));

  return () => {
    for (const restore of within) restore();
    // In their former order, which is the order in which an insert writes them.
    for (const path of Object.keys(fields)) delete fields[path];
    for (const [path, value] of before) fields[path] = value;
  };
}

interface TrackedArray extends Array<unknown> {
  /** The elements without getters and casts. */
  __array?: unknown[];
  /** The changes of the array, as update operators. */
  $atomics?(): Record<string, unknown>;
}

function snapshotArray(array: TrackedArray): Restore {
  const elements = array.__array ?? array;
  const before = [...elements];
  const atomics = array.$atomics && cloneOf(array.$atomics());
  const within = restoresOf(before);

  return () => {
    for (const restore of within) restore();
    elements.length = before.length;
    for (const [index, element] of before.entries()) elements[index] = element;
    if (!array.$atomics || !atomics) return;

    const now = array.$atomics();
    for (const operator of Object.keys(now)) delete now[operator];
    Object.assign(now, atomics);
  };
}

// Not by the methods of Mongoose's map, which would cast values and mark them as modified.
function snapshotMap(map: Map<unknown, unknown>): Restore {
  const before = [...Map.prototype.entries.call(map)];
  const within = restoresOf(before.map(([, value]) => value as unknown));

  return () => {
    for (const restore of within) restore();
    Map.prototype.clear.call(map);
    for (const [key, value] of before) Map.prototype.set.call(map, key, value);
  };
}

function snapshotDate(date: Date): Restore {
  const time = date.getTime();

  return () => void date.setTime(time);
}

function snapshotBytes(bytes: Buffer): Restore {
  const before = Uint8Array.from(bytes);

  return () => bytes.set(before);
}

function restoresOf(values: readonly unknown[]): Restore[] {
  return values.flatMap((value) => snapshotValue(value) ?? []);
}

/** Whether a document is part of the task. Of a populated document only the reference is. */
function isEmbedded(document: object): boolean {
  return '$isSubdocument' in document && document.$isSubdocument === true;
}

function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);

  return prototype === Object.prototype || prototype === null;
}

function copyOf<T extends object>(value: T | undefined): T | undefined {
  return value && { ...value };
}

/** Copies plain objects, at every depth, and the lists in them. Documents, ids and Mongoose's arrays are not copied. */
function cloneOf<T>(value: T): T {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return (value as TrackedArray).$atomics ? value : ([...(value as unknown[])] as T);
  if (!isPlainObject(value)) return value;

  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, cloneOf(one as unknown)])) as T;
}
