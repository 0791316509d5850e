import { ConnectionStates, type mongo } from 'mongoose';
import { type AnyModel, collectionOf, type Filter, type RawDocument } from '../definition/definition';
import { answered } from './time-limit';
import { persistently } from './transient';

/** Options of a read of the newest data, whatever the connection's settings are: only the newest data tells who holds a task. */
export const NEWEST = { readPreference: 'primary', readConcern: { level: 'local' } } as const;

/** Options to read values that JavaScript lacks: texts that are no UTF-8, regular expressions of other languages. */
const LENIENT = { enableUtf8Validation: false, bsonRegExp: true } as const;

/** A read, with the option names of the server's `find` command. */
export interface Find {
  readonly filter: Filter;
  readonly limit: number;
  readonly projection?: Readonly<Record<string, 0 | 1 | { readonly $slice: number }>>;
  readonly sort?: Readonly<Record<string, 1 | -1>>;
  readonly hint?: string;
  readonly collation?: { readonly locale: string };
  /** Default: the newest data. */
  readonly readConcern?: { readonly level: 'majority' };
}

/**
 * Reads documents from the primary. It sends the command itself, because this is a hot path: a cursor of the driver reads documents one by
 * one, which takes half as long again and leaves twice the garbage.
 */
export async function read(model: AnyModel, find: Find): Promise<RawDocument[]> {
  const { db, readyState } = model.db;
  // While the connection is not open, Mongoose buffers operations of its own collection, but not commands.
  if (!db || readyState !== ConnectionStates.connected) return readByCursor(model, find);

  const { cursor } = await leniently((how) => persistently(() => send(db, model.collection.collectionName, find, how)));
  if (Number(cursor.id) === 0) return cursor.firstBatch;

  // The documents do not fit into one answer.
  await persistently(() => db.command({ killCursors: model.collection.collectionName, cursors: [cursor.id] }));
  return answered(readByCursor(model, find));
}

/** Reads again with lenient options when an answer cannot be decoded, because a document holds values of another program. */
export async function leniently<T>(reading: (how: Partial<typeof LENIENT>) => Promise<T>): Promise<T> {
  try {
    return await reading({});
  } catch (error) {
    if (!isUnreadable(error)) throw error;

    return reading(LENIENT);
  }
}

/** Whether an answer came that cannot be decoded. */
export function isUnreadable(error: unknown): boolean {
  return ['BSONError', 'SyntaxError'].includes((error as Error | null)?.name ?? '');
}

/** The projection of these fields alone. */
export function only(fields: readonly string[]): Record<string, 1> {
  return Object.fromEntries(fields.map((field) => [field, 1]));
}

interface Answer {
  cursor: { id: unknown; firstBatch: RawDocument[] };
}

// A command does not inherit the connection's options.
function send(db: mongo.Db, collection: string, find: Find, how: object): Promise<Answer> {
  const command = { find: collection, ...find, batchSize: find.limit + 1 };

  return db.command(command, { ...db.bsonOptions, ...how, readPreference: 'primary' }) as unknown as Promise<Answer>;
}

function readByCursor(model: AnyModel, { filter, ...options }: Find): Promise<RawDocument[]> {
  return leniently((how) =>
    collectionOf(model)
      .find(filter, { ...NEWEST, ...options, ...how, batchSize: options.limit + 1 })
      .toArray(),
  );
}
