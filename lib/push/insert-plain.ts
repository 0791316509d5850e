import type { ClientSession } from 'mongoose';
import {
  type AnyDocument,
  type AnyModel,
  collectionOf,
  definitionOf,
  modelOf,
  type RawDocument,
} from '../definition/definition';
import { State } from '../fields';
import { answered } from '../server/time-limit';
import { rawFields } from '../settle/restore';
import { handleOf } from '../task/handle';
import type { NewTask } from '../waiting/park-new';
import { insertInBatch } from './insert-batch';
import { insertUnderKey } from './key-index';

/** At most this many documents per insert: while the server works on one batch, the next is prepared. */
const BATCH = 1_000;

// A document of plain values, without save hooks, needs none of the expensive steps of a save.
export async function insertPlain(
  model: AnyModel,
  tasks: readonly NewTask[],
  session: ClientSession | null,
): Promise<void> {
  const inserted: NewTask[] = [];
  let writing: Promise<unknown> = Promise.resolve();
  try {
    for (let start = 0; start < tasks.length; start += BATCH) {
      const batch = tasks.slice(start, start + BATCH);
      const raw = batch.map(plainFields);
      await writing;
      writing = insertBatch(model, raw, batch, inserted, session);
      // Awaited in the next round; until then its rejection must not count as unhandled.
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
    const { key, behind } = batch[0]!.task;
    if (typeof key === 'string' && !session?.inTransaction())
      await insertUnderKey(definition, raw[0]!, { key, behind }, session);
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

export function isPlain(document: AnyDocument): boolean {
  const fields = rawFields(document);
  for (const path in fields) if (!isPlainValue(fields[path])) return false;

  return true;
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

function isPlainValue(value: unknown): boolean {
  if (value === null || typeof value !== 'object' || value instanceof Date) return true;

  const bsonType = (value as { _bsontype?: string })._bsontype;
  return bsonType === 'ObjectId' || bsonType === 'Decimal128' || bsonType === 'Long';
}

function markStored({ document, task }: NewTask): void {
  for (const path in rawFields(document)) document.unmarkModified(path);
  document.isNew = false;
  handleOf(document).stored = task;
}
