import { answered, NoAnswerError } from '../server/answer';
import { Error as MongooseError, type ClientSession } from 'mongoose';
import {
  collectionOf,
  definitionOf,
  modelOf,
  type AnyDocument,
  type Definition,
  type Filter,
} from '../definition/definition';
import { State } from '../fields';
import { handleOf, type Bookkeeping } from '../task/handle';
import { isUnscheduled } from '../task/stored-schedule';
import { hasMisfit, rawFields, remember, unmark } from './memory';
import { endInBatch, type Ending } from './settle-batch';
import { leniently, NEWEST } from '../server/read';
import { persistently } from '../server/transient';
import { explained } from '../server/explained';

/** What a write makes of a task. A value of undefined removes the field. */
export interface Change {
  state: State;
  task: { [name in keyof Bookkeeping]?: Bookkeeping[name] | undefined };
}

// One handle makes one write at a time: the second of two `finish()` must not take the fields of the first for its own.
const underWay = new Map<AnyDocument, Promise<void>>();

/**
 * Writes a change of the task's state together with the fields the user modified, in one update that happens only while
 * `filter` matches. Modified fields are validated and saved with the schema's save hooks. Returns whether it matched; if it did
 * not, or threw, the document is as it was before. What a hook throws after the write is left to `throwHookError()`.
 */
export async function writeIf(
  document: AnyDocument,
  filter: Filter,
  change: Change,
  session: ClientSession | null,
): Promise<boolean> {
  const earlier = underWay.get(document);
  let end = () => {};
  const turn = new Promise<void>((resolve) => (end = resolve));
  underWay.set(document, turn);
  if (earlier) await earlier;
  try {
    dropForged(document);
    const isSave = document.isModified() || !canSave(document);
    const touchedAt = isSave ? undefined : definitionOf(modelOf(document)).updatedAt?.now();
    const matched = await (isSave
      ? save(document, filter, change, session)
      : update(document, filter, change, touchedAt, session));
    if (matched) adopt(document, change, touchedAt);

    return matched;
  } finally {
    end();
    if (underWay.get(document) === turn) underWay.delete(document);
  }
}

// A value that could not be cast when it was set does not count as a change, but a save refuses it. One that was stored so is no
// change at all, and must not keep the task from being settled: its error has another name.
function canSave(document: AnyDocument): boolean {
  const { $errors = {} } = document as { $errors?: Record<string, Error> };

  return Object.values($errors).every(({ name }) => name !== 'CastError');
}

function update(
  document: AnyDocument,
  filter: Filter,
  change: Change,
  touchedAt: Date | number | undefined,
  session: ClientSession | null,
): Promise<boolean> {
  const definition = definitionOf(modelOf(document));
  const ending = session || !isUnscheduled(filter) ? null : endingOf(document, change, touchedAt);
  if (ending) return endInBatch(definition, ending);

  return updateOne(definition, { _id: document._id, ...filter }, change, touchedAt, session);
}

// Of a held task only, and signed with the token it is held by: who holds none would not know it from one that somebody else ended.
function endingOf(document: AnyDocument, { state, task }: Change, touchedAt: Ending['touchedAt']): Ending | null {
  const isEnd = state === State.FINISHED || state === State.FAILED;
  const isHeld = task.token !== undefined && handleOf(document).lease?.token === task.token.toHexString();
  if (!isHeld || !task.token || !isEnd || task.attempts !== undefined) return null;

  return { id: document._id, token: task.token, state, errors: task.errors, touchedAt };
}

async function updateOne(
  { model, options, updatedAt, writeConcern }: Definition,
  filter: Filter,
  { state, task }: Change,
  touchedAt: Date | number | undefined,
  session: ClientSession | null,
): Promise<boolean> {
  const $set: Record<string, unknown> = { [options.fields.state]: state };
  const $unset: Record<string, true> = {};
  for (const [name, value] of Object.entries(task)) {
    if (value === undefined) $unset[`_task.${name}`] = true;
    else $set[`_task.${name}`] = value;
  }
  if (updatedAt) $set[updatedAt.path] = touchedAt;

  const write = { $set, ...(Object.keys($unset).length > 0 && { $unset }) };
  const run = () => collectionOf(model).updateOne(filter, write, { ...writeConcern, ...(session && { session }) });
  const { matchedCount } = session?.inTransaction() ? await answered(run()) : await persistently(run);

  return matchedCount > 0;
}

const hookErrors = new WeakMap<AnyDocument, { readonly error: unknown }>();

/** Throws what a save hook threw after the document was written: the write counts, and the caller is told of the hook. */
export function throwHookError(document: AnyDocument): void {
  const thrown = hookErrors.get(document);
  hookErrors.delete(document);
  if (thrown) throw thrown.error;
}

// Mongoose marks it before its operation has a name.
function isBeingSaved(document: AnyDocument): boolean {
  const { $op, $__ } = document as { $op: string | null; $__?: { saving?: unknown } };

  return Boolean($op ?? $__?.saving);
}

// Its hooks are the user's and may take their time.
const SAVE_PATIENCE = 4;

function letGo(document: AnyDocument): void {
  const { $__: tracking } = document as { $__?: { saving?: unknown } };
  (document as { $op: string | null }).$op = null;
  if (tracking) delete tracking.saving;
}

async function savedWithin(document: AnyDocument, options: object): Promise<void> {
  try {
    await answered(document.save(options), undefined, SAVE_PATIENCE);
  } catch (error) {
    // One that never ends must not keep the document from being saved again.
    if (error instanceof NoAnswerError) letGo(document);
    throw error;
  }
}

async function save(
  document: AnyDocument,
  filter: Filter,
  change: Change,
  session: ClientSession | null,
): Promise<boolean> {
  // A save of the user's that is under way would take what is staged here for its own.
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
    // What was stored so, and not changed, must not keep the task from being settled.
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

/** Puts bookkeeping into the document, so that the save under way writes it. */
export function stage(document: AnyDocument, { task }: Pick<Change, 'task'>): void {
  if (document.isNew) {
    document.set('_task', task, { strict: false });
    return;
  }
  // Mongoose would make it itself, but not for a schema with `strict: 'throw'`.
  rawFields(document)['_task'] = {};
  for (const [name, value] of Object.entries(task)) {
    document.set(`_task.${name}`, value, { strict: false });
    document.markModified(`_task.${name}`);
  }
}

/** Takes out what came with a document, from a request perhaps: only the queue writes its bookkeeping. */
export function dropForged(document: AnyDocument): void {
  if ('_task' in rawFields(document)) unstage(document);
}

/** Takes it out again. */
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

/** Takes a change for written that an earlier try has made, whose answer was lost. */
export async function recognise(document: AnyDocument, change: Change, session: ClientSession | null): Promise<void> {
  if (document.isModified()) await reload(document, session);
  adopt(document, change);
}

// What that try wrote is modified no more. Unmarking it is not enough: an array would go on adding what it has added.
async function reload(document: AnyDocument, session: ClientSession | null): Promise<void> {
  const { model, hidden } = definitionOf(modelOf(document));
  const options = {
    ...NEWEST,
    ...(hidden && { projection: hidden }),
    ...(session && { session }),
  };
  const raw = await leniently((how) =>
    answered(collectionOf(model).findOne({ _id: document._id }, { ...options, ...how })),
  );
  for (const path of document.directModifiedPaths()) unmark(document, path);
  if (raw) document.init(raw);
}

function adopt(document: AnyDocument, { state, task }: Change, touchedAt?: Date | number): void {
  const { options, updatedAt } = definitionOf(modelOf(document));
  const handle = handleOf(document);
  const stored: Change['task'] = { ...handle.stored };
  for (const name of Object.keys(task) as (keyof Bookkeeping)[]) {
    if (task[name] !== undefined) stored[name] = task[name] as never;
    else if (name in stored) delete stored[name];
  }

  handle.stored = stored as Bookkeeping;
  // Through the document it would be a change, which every task would have to be relieved of.
  rawFields(document)[options.fields.state] = state;
  if (updatedAt && touchedAt !== undefined) setQuietly(document, updatedAt.path, touchedAt);
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

// Mongoose gives one of two errors when nothing matched, whether by our filter, by the version or by the user's `$where`.
function isNotFound(error: unknown): boolean {
  return error instanceof Error && (error.name === 'DocumentNotFoundError' || error.name === 'VersionError');
}
