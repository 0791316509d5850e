import { type ClientSession, Error as MongooseError } from 'mongoose';
import { uncertain } from '../claim/behind';
import { type AnyDocument, type AnyModel, definitionOf, modelOf } from '../definition/definition';
import { State } from '../fields';
import { answered } from '../server/time-limit';
import { isUncertain } from '../server/transient';
import { hasSaveHooks } from '../settle/middleware';
import { remember, unmark } from '../settle/restore';
import { SAVE_PATIENCE } from '../settle/save';
import { dropForged, stage, unstage } from '../settle/stage-changes';
import { type Bookkeeping, handleOf } from '../task/handle';
import { armNew, armUncertain, type NewTask, parkNew } from '../waiting/park-new';
import { insertPlain, isPlain } from './insert-plain';
import { refuseTaken } from './key-index';

/** At most this many validations run at once; more would only cost memory. */
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
      // A document that was not inserted must not become a task by a later save.
      if (document.isNew) reset(document, state, before[index]!);
    });
  }
}

// As in Mongoose: the server would give the document an id that no handle has, and that is not of the schema's type.
function requireIds(documents: readonly AnyDocument[]): void {
  if (documents.every(({ _id }) => _id !== undefined)) return;
  throw new MongooseError('document must have an _id before saving');
}

function reset(document: AnyDocument, path: string, before: { value: unknown; isModified: boolean }): void {
  document.set(path, before.value);
  if (!before.isModified) unmark(document, path);
}

// A hook may still change a task's references, so the task is judged by the next pop.
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
    if (isUncertain(error)) armUncertain(model, tasks);
    throw error;
  } finally {
    // When the server refuses one document, those before it are in the queue.
    await armNew(
      model,
      tasks.filter(({ document }) => !document.isNew),
    );
  }
}

async function insertSaved(
  model: AnyModel,
  tasks: readonly NewTask[],
  session: ClientSession | null,
  options: { validateBeforeSave: boolean },
): Promise<void> {
  const documents = tasks.map(({ document }) => document);
  const { key, behind } = tasks[0]!.task;
  if (typeof key === 'string' && !session?.inTransaction()) {
    await refuseTaken(definitionOf(model), { key, behind });
    tasks = tasks.map((one) => ({ ...one, task: uncertain(one.task) }));
  }
  const restores = documents.map(remember);
  for (const { document, state, task } of tasks) {
    document.set(definitionOf(model).options.fields.state, state);
    if (tasks.length > 1) setVersion(document);
    stage(document, { task: uncloned(task) });
    handleOf(document).saving = true;
  }
  // `bulkSave()` ignores the schema's write concern, and its types do not allow a session of null.
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

// A `save()` sets the version of a new document, the `bulkSave()` of Mongoose 8 does not.
function setVersion(document: AnyDocument): void {
  const key = document.schema.get('versionKey');
  if (typeof key === 'string' && document.isNew && document.get(key) === undefined) document.set(key, 0);
}

/** What Mongoose takes for a single value it sends as it is, and what a task waits for may be thousands. */
class Uncloned {
  constructor(private readonly value: unknown) {}

  toBSON(): unknown {
    return this.value;
  }
}

function uncloned(task: Bookkeeping): Bookkeeping {
  const lists = Object.entries(task).filter(([, value]) => Array.isArray(value));

  return { ...task, ...Object.fromEntries(lists.map(([name, list]) => [name, new Uncloned(list)])) };
}

async function validate(documents: readonly AnyDocument[]): Promise<void> {
  if (documents[0]!.schema.get('validateBeforeSave') === false) return;
  for (let start = 0; start < documents.length; start += VALIDATIONS) {
    await Promise.all(documents.slice(start, start + VALIDATIONS).map((document) => document.validate()));
  }
}
