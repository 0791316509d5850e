import type { mongo } from 'mongoose';
import { codeOf } from '../server/permanent';
import type { StreamEvents } from '../server/shared-stream';
import { SELF } from '../side/listeners';
import { sleep } from '../timers';
import { SIGNALS, type Signal } from './signal';

/** The size of the collection in bytes: some thousand signals, for whoever is slow to read. */
const SIZE = 2 ** 18;
/** How long the server holds a look that finds nothing. Shorter than the time after which clients are often set to give up on an answer. */
const HOLD_MS = 20_000;

/** How long after its end a tail is opened again, in milliseconds: a server that knows no tailable cursors ends each at once. */
const REST_MS = 1_000;

const NAMESPACE_EXISTS = 48;
const BAD_VALUE = 2;
const POSITION_LOST = 136;

/**
 * Reads the signals of a database as they come, by a cursor that waits at the end of a capped collection: MongoDB answers it as soon as
 * something is inserted there, and other writes do not concern it. Those of the last minutes come first. See
 * https://www.mongodb.com/docs/manual/core/tailable-cursors/
 */
export function openTail(
  database: mongo.Db,
  onSignal: (signal: Signal) => void,
  { onEnd, onError }: StreamEvents,
): { close(): Promise<unknown> } {
  const signals = database.collection<Signal>(SIGNALS);
  const cursor = signals.find(
    {},
    { tailable: true, awaitData: true, maxAwaitTimeMS: HOLD_MS, readPreference: 'primary' },
  );
  let isClosed = false;
  const read = async () => {
    await prepare(database);
    if (isClosed) return;
    for await (const signal of cursor) onSignal(signal);
  };
  read()
    .catch((error: unknown) => mend(database, error))
    .then(() => sleep(REST_MS, undefined, { ref: false }))
    .then(onEnd, onError);

  return {
    close: () => {
      isClosed = true;
      return cursor.close();
    },
  };
}

// A cursor at the end of an empty collection is closed at once, so there is something in it.
async function prepare(database: mongo.Db): Promise<void> {
  await database.createCollection(SIGNALS, { capped: true, size: SIZE }).catch((error: unknown) => {
    if (codeOf(error) !== NAMESPACE_EXISTS) throw error;
  });
  await database.collection<Signal>(SIGNALS).insertOne({ by: SELF }, { writeConcern: { w: 1 } });
}

/** Resolves where the tail is to be opened again. */
async function mend(database: mongo.Db, error: unknown): Promise<void> {
  // More came than it could read.
  if (codeOf(error) === POSITION_LOST) return;
  // A signal that was sent after the database was dropped has made a collection that is not capped.
  if (codeOf(error) !== BAD_VALUE) throw error;
  await database.command({ convertToCapped: SIGNALS, size: SIZE });
}
