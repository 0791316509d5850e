import { type ClientSession, ConnectionStates, type mongo } from 'mongoose';
import { decode } from '../definition/decode';
import { type AnyModel, collectionOf, type Filter, type RawDocument } from '../definition/definition';
import { answered } from './time-limit';
import { persistently } from './transient';

/** Options of a read of the newest data, whatever the connection's settings are: only the newest data tells who holds a task. */
export const NEWEST = { readPreference: 'primary', readConcern: { level: 'local' } } as const;

/** For reads of nothing but ids: the bytes of a text may be none. */
export const LENIENT = { enableUtf8Validation: false, bsonRegExp: true } as const;

/** A read, with the option names of the server's `find` command. */
export interface Find {
  readonly filter: Filter;
  readonly limit: number;
  readonly projection?: Readonly<Record<string, 0 | 1 | object>>;
  readonly skip?: number;
  readonly sort?: Readonly<Record<string, 1 | -1>>;
  readonly hint?: string;
  readonly collation?: { readonly locale: string };
  /** Default: the newest data. */
  readonly readConcern?: { readonly level: 'majority' };
  /** How long the server may look, in milliseconds. */
  readonly maxTimeMS?: number;
  /** Default: none. What goes wrong in a transaction is the transaction's to repeat. */
  readonly session?: ClientSession;
}

/**
 * Reads documents from the primary. It sends the command itself, because this is a hot path: a cursor of the driver reads documents one by
 * one, which takes half as long again and leaves twice the garbage.
 */
export async function read(model: AnyModel, find: Find): Promise<RawDocument[]> {
  const { db, readyState } = model.db;
  // While the connection is not open, Mongoose buffers operations of its own collection, but not commands.
  if (!db || readyState !== ConnectionStates.connected || find.session) return readByCursor(model, find);

  const answer = await orUnreadable(persistently(() => send(db, model.collection.collectionName, find)));
  if (!answer) return readByCursor(model, find, RAW);
  const { cursor } = answer;
  if (Number(cursor.id) === 0) return cursor.firstBatch;

  // The documents do not fit into one answer.
  await persistently(() => db.command({ killCursors: model.collection.collectionName, cursors: [cursor.id] }));
  return readByCursor(model, find);
}

const RAW = { raw: true } as const;
type How = Partial<typeof RAW>;

/** Reads a document once more where the answer cannot be read, because it holds what another program alone understands. */
export async function leniently(
  model: AnyModel,
  reading: (how: How) => Promise<RawDocument | null>,
): Promise<RawDocument | null> {
  const found = await orUnreadable(reading({}));
  if (found !== undefined) return found;
  const bytes = (await reading(RAW)) as Uint8Array | null;

  return bytes && decoded(model, bytes);
}

function decoded({ db }: AnyModel, bytes: Uint8Array): RawDocument {
  return decode(bytes, db.db?.bsonOptions ?? {});
}

async function orUnreadable<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (!isUnreadable(error)) throw error;

    return undefined;
  }
}

/** Whether an answer came that cannot be read, or what was read cannot be sent. */
export function isUnreadable(error: unknown): boolean {
  return /^BSON\w*Error$|^SyntaxError$/.test((error as Error | null)?.name ?? '');
}

/** The projection of these fields alone. */
export function only(fields: readonly string[]): Record<string, 1> {
  return Object.fromEntries(fields.map((field) => [field, 1]));
}

interface Answer {
  cursor: { id: unknown; firstBatch: RawDocument[] };
}

// A command does not inherit the connection's options.
function send(db: mongo.Db, collection: string, find: Find): Promise<Answer> {
  const command = { find: collection, ...find, batchSize: find.limit + 1 };

  return db.command(command, { ...db.bsonOptions, readPreference: 'primary' }) as unknown as Promise<Answer>;
}

async function readByCursor(model: AnyModel, find: Find, how: How = {}): Promise<RawDocument[]> {
  const { filter, ...options } = find;
  const reading = collectionOf(model)
    .find(filter, { ...NEWEST, ...options, ...how, batchSize: options.limit + 1 })
    .toArray();
  if (how.raw) return (await answered(reading)).map((bytes) => decoded(model, bytes as unknown as Uint8Array));

  return (await orUnreadable(answered(reading))) ?? readByCursor(model, find, RAW);
}
