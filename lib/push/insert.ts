import { type ClientSession, Error as MongooseError } from 'mongoose';
import {
  type AnyDocument,
  type AnyModel,
  collectionOf,
  definitionOf,
  modelOf,
  type RawDocument,
} from '../definition/definition';
import { State } from '../fields';
import { answered } from '../server/answer';
import { isOutOfReach } from '../server/transient';
import { rawFields, remember, unmark } from '../settle/memory';
import { hasSaveHooks } from '../settle/middleware';
import { dropForged, stage, unstage } from '../settle/stage';
import { type Bookkeeping, handleOf } from '../task/handle';
import { armNew, armUncertain, type NewTask, parkNew } from '../waiting/park-new';
import { insertInBatch } from './insert-batch';
import { insertUnderKey, refuseTaken } from './key-index';

/** Documents per insert: while the server works on one batch, the next is made ready. */
const BATCH = 1_000;
/** Hooks of saves are the user's and may take their time. */
const SAVE_PATIENCE = 4;
/** Validations under way at once; more only cost memory. */
const VALIDATIONS = 100;

/**
 * Inserts new documents as tasks, in order. All are validated before the first is written, and the schema's save hooks run.
 * When the server refuses one, those before it are inserted and `error.insertedDocs` names them, as with `Model.insertMany()`.
 */
export async function insertTasks(
  model: AnyModel,
  documents: readonly AnyDocument[],
  task: Bookkeeping,
  session: ClientSession | null,
): Promise<void> {
  requireIds(documents);
  documents.forEach(dropForged);
  const { state } = definitionOf(model).options.fields;
  const before = documents.map((document) => ({
    value: document.get(state) as unknown,
    isModified: document.isDirectModified(state),
  }));
  for (const document of documents) document.set(state, State.CREATED);

  try {
    if (documents.some((document) => hasSaveHooks(modelOf(document))))
      await insertWithHooks(model, documents, task, session);
    else await insertJudged(model, documents, task, session);
  } finally {
    documents.forEach((document, index) => {
      // What was not inserted must not become a task by a later save.
      if (document.isNew) reset(document, state, before[index]!);
    });
  }
}

// As Mongoose does: the server would give it an id that is in no handle, and not of the schema's type.
function requireIds(documents: readonly AnyDocument[]): void {
  if (documents.every(({ _id }) => _id !== undefined)) return;
  throw new MongooseError('document must have an _id before saving');
}

function reset(document: AnyDocument, path: string, before: { value: unknown; isModified: boolean }): void {
  document.set(path, before.value);
  if (!before.isModified) unmark(document, path);
}

// A hook may still change what the task refers to, so it is left to the next pop to judge it.
async function insertWithHooks(
  model: AnyModel,
  documents: readonly AnyDocument[],
  task: Bookkeeping,
  session: ClientSession | null,
): Promise<void> {
  const tasks = documents.map((document) => ({ document, state: State.CREATED, task }));
  if (tasks.length > 1) await validate(documents);

  await insertSaved(model, tasks, session, { validateBeforeSave: tasks.length === 1 });
}

async function insertJudged(
  model: AnyModel,
  documents: readonly AnyDocument[],
  task: Bookkeeping,
  session: ClientSession | null,
): Promise<void> {
  await validate(documents);
  const tasks = session?.inTransaction()
    ? documents.map((document) => ({ document, state: State.CREATED, task }))
    : await parkNew(model, documents, task);

  try {
    if (documents.every(isPlain)) await insertPlain(model, tasks, session);
    else await insertSaved(model, tasks, session, { validateBeforeSave: false });
  } catch (error) {
    if (isOutOfReach(error)) armUncertain(model, tasks);
    throw error;
  } finally {
    // Some are in the queue also when the server has refused one.
    await armNew(
      model,
      tasks.filter(({ document }) => !document.isNew),
    );
  }
}

// Without save hooks, a document of plain values needs nothing of what makes a save dear.
async function insertPlain(model: AnyModel, tasks: readonly NewTask[], session: ClientSession | null): Promise<void> {
  const inserted: NewTask[] = [];
  let writing: Promise<unknown> = Promise.resolve();
  try {
    for (let start = 0; start < tasks.length; start += BATCH) {
      const batch = tasks.slice(start, start + BATCH);
      const raw = batch.map(plainFields);
      await writing;
      writing = insertBatch(model, raw, batch, inserted, session);
      // Awaited a round later; until then its rejection is not unhandled.
      writing.catch(() => {});
    }
    await writing;
  } catch (error) {
    throw Object.assign(error as Error, { insertedDocs: inserted.map(({ document }) => document) });
  } finally {
    inserted.forEach(markStored);
  }
}

async function insertBatch(
  model: AnyModel,
  raw: RawDocument[],
  batch: readonly NewTask[],
  inserted: NewTask[],
  session: ClientSession | null,
): Promise<void> {
  const definition = definitionOf(model);
  const options = { ...definition.writeConcern, ...(session && { session }) };
  try {
    const { key } = batch[0]!.task;
    if (key !== undefined && !session?.inTransaction()) await insertUnderKey(definition, raw[0]!, key, session);
    else if (raw.length === 1 && !session) await insertInBatch(definition, raw[0]!);
    else await answered(collectionOf(model).insertMany(raw, options));
    inserted.push(...batch);
  } catch (error) {
    const { writeErrors } = error as { writeErrors?: { index: number } | { index: number }[] };
    const [first] = [writeErrors ?? []].flat();
    if (first) inserted.push(...batch.slice(0, first.index));
    throw error;
  }
}

async function insertSaved(
  model: AnyModel,
  tasks: readonly NewTask[],
  session: ClientSession | null,
  options: { validateBeforeSave: boolean },
): Promise<void> {
  const documents = tasks.map(({ document }) => document);
  const { key } = tasks[0]!.task;
  if (key !== undefined && !session?.inTransaction()) await refuseTaken(definitionOf(model), key);
  const restores = documents.map(remember);
  for (const { document, state, task } of tasks) {
    document.set(definitionOf(model).options.fields.state, state);
    stage(document, { task: { ...task } });
    handleOf(document).saving = true;
  }
  // The schema's write concern is left out by Mongoose; and its types do not know that a session may be absent.
  const bulkOptions = { session, ...definitionOf(model).writeConcern, ...options } as unknown as Parameters<
    AnyModel['bulkSave']
  >[1];
  try {
    if (documents.length === 1) await answered(documents[0]!.save({ session, ...options }), undefined, SAVE_PATIENCE);
    else await answered(model.bulkSave(documents, bulkOptions), undefined, SAVE_PATIENCE);
  } finally {
    tasks.forEach(({ document, task }, index) => {
      unstage(document);
      handleOf(document).saving = false;
      if (document.isNew) restores[index]!();
      else handleOf(document).stored = { ...task };
    });
  }
}

async function validate(documents: readonly AnyDocument[]): Promise<void> {
  if (documents[0]!.schema.get('validateBeforeSave') === false) return;
  for (let start = 0; start < documents.length; start += VALIDATIONS) {
    await Promise.all(documents.slice(start, start + VALIDATIONS).map((document) => document.validate()));
  }
}

function isPlain(document: AnyDocument): boolean {
  const fields = rawFields(document);
  for (const path in fields) if (!isPlainValue(fields[path])) return false;

  return true;
}

function isPlainValue(value: unknown): boolean {
  if (value === null || typeof value !== 'object' || value instanceof Date) return true;

  const bsonType = (value as { _bsontype?: string })._bsontype;
  return bsonType === 'ObjectId' || bsonType === 'Decimal128' || bsonType === 'Long';
}

function plainFields({ document, state, task }: NewTask): RawDocument {
  (document as { initializeTimestamps?: () => void }).initializeTimestamps?.();
  const fields = rawFields(document);
  const versionKey = document.schema.get('versionKey');
  if (typeof versionKey === 'string') fields[versionKey] = 0;
  if (state !== State.CREATED) document.set(definitionOf(modelOf(document)).options.fields.state, state);
  const plain: Record<string, unknown> = {};
  for (const path in fields) if (fields[path] !== undefined) plain[path] = fields[path];
  plain['_task'] = task;

  return plain as unknown as RawDocument;
}

function markStored({ document, task }: NewTask): void {
  for (const path in rawFields(document)) document.unmarkModified(path);
  document.isNew = false;
  handleOf(document).stored = task;
}
