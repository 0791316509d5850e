import type { ClientSession } from 'mongoose';
import { collectionOf, definitionOf, modelOf, type AnyDocument, type AnyModel, type RawDocument } from './definition';
import { State } from './fields';
import { handleOf, type Bookkeeping } from './handle';
import { hasSaveHooks } from './hooks';
import { rawFields, remember } from './memory';
import { stage, unstage } from './write';

/** Documents per insert: while the server works on one batch, the next is made ready. */
const BATCH = 1_000;
/** Validations under way at once; more only cost memory. */
const VALIDATIONS = 100;

/**
 * Inserts new documents as tasks, in order. All are validated before the first is written, and the schema's save hooks run.
 * When the server refuses one, those before it are inserted and `error.insertedDocs` names them, as with `Model.insertMany()`.
 */
export async function insertTasks(
  model: AnyModel,
  documents: AnyDocument[],
  task: Bookkeeping,
  session: ClientSession | null,
): Promise<void> {
  const { state } = definitionOf(model).options.fields;
  const before = documents.map((document) => document.get(state) as unknown);
  for (const document of documents) document.set(state, State.CREATED);

  try {
    if (documents.every(isPlain)) await insertPlain(model, documents, task, session);
    else await insertSaved(model, documents, task, session);
  } finally {
    documents.forEach((document, index) => {
      // What was not inserted must not become a task by a later save.
      if (document.isNew) document.set(state, before[index]);
      else handleOf(document).stored = { ...task };
    });
  }
}

// A document of plain values and no save hooks needs nothing of what makes a save dear.
async function insertPlain(
  model: AnyModel,
  documents: AnyDocument[],
  task: Bookkeeping,
  session: ClientSession | null,
): Promise<void> {
  await validate(documents);
  const inserted: AnyDocument[] = [];
  let writing: Promise<unknown> = Promise.resolve();
  try {
    for (let start = 0; start < documents.length; start += BATCH) {
      const batch = documents.slice(start, start + BATCH);
      const raw = batch.map((document) => ({ ...plainFields(document), _task: task }) as unknown as RawDocument);
      await writing;
      writing = insertBatch(model, raw, batch, inserted, session);
      // Awaited a round later; until then its rejection is not unhandled.
      writing.catch(() => {});
    }
    await writing;
  } catch (error) {
    throw Object.assign(error as Error, { insertedDocs: inserted });
  } finally {
    for (const document of inserted) markStored(document);
  }
}

async function insertBatch(
  model: AnyModel,
  raw: RawDocument[],
  batch: AnyDocument[],
  inserted: AnyDocument[],
  session: ClientSession | null,
): Promise<void> {
  const options = { ...definitionOf(model).writeConcern, ...(session && { session }) };
  try {
    if (raw.length === 1) await collectionOf(model).insertOne(raw[0]!, options);
    else await collectionOf(model).insertMany(raw, options);
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
  documents: AnyDocument[],
  task: Bookkeeping,
  session: ClientSession | null,
): Promise<void> {
  const restores = documents.map(remember);
  for (const document of documents) stage(document, { task: { ...task } });
  try {
    if (documents.length === 1) {
      await documents[0]!.save({ session });
    } else {
      await validate(documents);
      await model.bulkSave(documents, { session: session ?? undefined, validateBeforeSave: false } as Parameters<
        AnyModel['bulkSave']
      >[1]);
    }
    documents.forEach(unstage);
  } catch (error) {
    documents.forEach(unstage);
    documents.forEach((document, index) => document.isNew && restores[index]!());
    throw error;
  }
}

async function validate(documents: AnyDocument[]): Promise<void> {
  if (documents[0]!.schema.get('validateBeforeSave') === false) return;
  for (let start = 0; start < documents.length; start += VALIDATIONS) {
    await Promise.all(documents.slice(start, start + VALIDATIONS).map((document) => document.validate()));
  }
}

function isPlain(document: AnyDocument): boolean {
  return !hasSaveHooks(modelOf(document)) && Object.values(rawFields(document)).every(isPlainValue);
}

function isPlainValue(value: unknown): boolean {
  if (value === null || typeof value !== 'object' || value instanceof Date) return true;

  const bsonType = (value as { _bsontype?: string })._bsontype;
  return bsonType === 'ObjectId' || bsonType === 'Decimal128' || bsonType === 'Long';
}

function plainFields(document: AnyDocument): Record<string, unknown> {
  (document as { initializeTimestamps?: () => void }).initializeTimestamps?.();
  const versionKey = document.schema.get('versionKey');
  if (typeof versionKey === 'string') document.set(versionKey, 0);
  const fields: Record<string, unknown> = {};
  for (const [path, value] of Object.entries(rawFields(document))) {
    if (value !== undefined) fields[path] = value;
  }

  return fields;
}

function markStored(document: AnyDocument): void {
  for (const path of Object.keys(rawFields(document))) document.unmarkModified(path);
  document.isNew = false;
}
