import { ConnectionStates, type mongo } from 'mongoose';
import { collectionOf, type AnyModel, type Filter, type RawDocument } from './definition';
import { answered } from './answer';
import { persistently } from './transient';

/** For reads by the driver's own methods: the newest there is, whatever the connection asks for. Only that tells who holds a task. */
export const NEWEST = { readPreference: 'primary', readConcern: { level: 'local' } } as const;

/** What is read, in the words of the server's `find`. */
export interface Find {
  readonly filter: Filter;
  readonly limit: number;
  readonly projection?: Readonly<Record<string, 0 | 1 | { readonly $slice: number }>>;
  readonly sort?: Readonly<Record<string, 1 | -1>>;
  readonly hint?: string;
  readonly collation?: { readonly locale: string };
  /** Default: the newest there is. */
  readonly readConcern?: { readonly level: 'majority' };
}

/**
 * Reads documents from the primary. It sends the command itself, because every task comes this way: a cursor of the driver reads its
 * documents one by one, which takes half as long again and leaves twice the garbage.
 */
export async function read(model: AnyModel, find: Find): Promise<RawDocument[]> {
  const { db, readyState } = model.db;
  // Mongoose holds back what is asked of a connection that is not open yet, or no more.
  if (!db || readyState !== ConnectionStates.connected) return readByCursor(model, find);

  const { cursor } = await persistently(() => send(db, model.collection.collectionName, find));
  if (Number(cursor.id) === 0) return cursor.firstBatch;

  // They do not fit into one answer.
  await persistently(() => db.command({ killCursors: model.collection.collectionName, cursors: [cursor.id] }));
  return answered(readByCursor(model, find));
}

/** The projection of these fields alone. */
export function only(fields: readonly string[]): Record<string, 1> {
  return Object.fromEntries(fields.map((field) => [field, 1]));
}

interface Answer {
  cursor: { id: unknown; firstBatch: RawDocument[] };
}

// A command inherits nothing from the connection.
function send(db: mongo.Db, collection: string, find: Find): Promise<Answer> {
  const command = { find: collection, ...find, batchSize: find.limit + 1 };

  return db.command(command, { ...db.bsonOptions, readPreference: 'primary' }) as unknown as Promise<Answer>;
}

function readByCursor(model: AnyModel, { filter, ...options }: Find): Promise<RawDocument[]> {
  return collectionOf(model)
    .find(filter, { ...NEWEST, ...options, batchSize: options.limit + 1 })
    .toArray();
}
