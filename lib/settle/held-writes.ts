import { Error as MongooseError, mongo, type Types } from 'mongoose';
import { Batcher, type Caller } from '../batcher';
import {
  type AnyDocument,
  collectionOf,
  type Definition,
  definitionOf,
  type Filter,
  modelOf,
} from '../definition/definition';
import { State } from '../fields';
import { NEWEST } from '../server/read';
import { answered } from '../server/time-limit';
import { isUncertain, persistently } from '../server/transient';
import { handleOf } from '../task/handle';
import { keyOf } from '../values/id';
import type { Change } from './change';
import { apart, type HeldWrite, type Statement, together } from './held-write';

type Call = Caller<HeldWrite, boolean>;

const batchers = new WeakMap<Definition, Batcher<HeldWrite, boolean>>();

/**
 * Writes if the token still holds the task. Writes that come while others are under way are sent together by the next command; each
 * caller learns whether its own matched, or why the server refused it.
 */
export function writeHeld(definition: Definition, write: HeldWrite): Promise<boolean> {
  const batcher =
    batchers.get(definition) ?? new Batcher({ serve: (calls) => serve(definition, calls), fit: distinct });
  batchers.set(definition, batcher);

  return batcher.call(write);
}

/**
 * The token by which a change ends the lease of its document; null if it does not, if nothing would tell this write from another's, or if the
 * write has to go alone.
 */
export function tokenIn(document: AnyDocument, filter: Filter, { state, task }: Change): Types.ObjectId | null {
  const { model, options } = definitionOf(modelOf(document));
  const { fields } = options;
  const { token } = task;
  // The driver cannot encrypt several updates of one command.
  if ((model.schema.options as { encryptionType?: unknown }).encryptionType) return null;
  if (!token || state === State.RUNNING || handleOf(document).lease?.token !== token.toHexString()) return null;

  return filter[fields.state] === State.RUNNING && token.equals(filter['_task.token'] as Types.ObjectId) ? token : null;
}

/** How many of the items, from the first on, are of different tasks: of two handles of a task one has lost its lease. */
export function distinctBy<Item>(items: readonly Item[], idOf: (item: Item) => unknown): number {
  const seen = new Set<string>();
  for (const item of items) {
    const key = keyOf(idOf(item));
    if (seen.has(key)) break;
    seen.add(key);
  }

  return seen.size;
}

const distinct = (calls: readonly Call[]) => distinctBy(calls, ({ item }) => item.filter._id);

const itemsOf = (calls: readonly Call[]) => calls.map(({ item }) => item);

const serve = (definition: Definition, calls: readonly Call[]) => serveBy(definition, calls, together);

async function serveBy(definition: Definition, calls: readonly Call[], statementsOf: typeof together): Promise<void> {
  const statements = statementsOf(itemsOf(calls));
  const { matchedCount, refused, error } = await send(definition, statements);
  // Not waited for: others need not wait for them.
  for (const { places } of refused)
    void serveRefused(
      definition,
      places.map((place) => calls[place]!),
    );
  const isRefused = new Set(refused.flatMap(({ places }) => places));
  const written = calls.filter((_, place) => !isRefused.has(place));
  if (error !== undefined) return written.forEach(({ reject }) => reject(error));
  if (written.length === 0) return;
  // What was carried out of a statement before it was refused may be counted.
  const isExact = isRefused.size === refused.length;
  if (isExact && matchedCount === written.length) return written.forEach(({ resolve }) => resolve(true));

  const isOwn = await settledBy(definition, itemsOf(written));
  for (const { item, resolve } of written) resolve(isOwn(item));
}

/** Sends what was refused once more, for an error of its own: several by statements of their own, since some of them may be written. */
async function serveRefused(definition: Definition, calls: readonly Call[]): Promise<void> {
  if (calls.length === 1) return sendAlone(definition, calls[0]!);
  try {
    await serveBy(definition, calls, apart);
  } catch (error) {
    for (const { reject } of calls) reject(error);
  }
}

interface Answer {
  readonly matchedCount: number;
  /** Those that were refused: their writes are to be sent in another way. */
  readonly refused: readonly Statement[];
  /** What is wrong with all others. */
  readonly error?: unknown;
}

async function send(definition: Definition, statements: readonly Statement[]): Promise<Answer> {
  try {
    const { matchedCount } = await persistently(() =>
      collectionOf(definition.model).bulkWrite(
        statements.map(({ statement }) => statement),
        { ordered: false, ...definition.writeConcern },
      ),
    );
    return { matchedCount, refused: [] };
  } catch (error) {
    const answer = answerIn(error, statements);
    if (answer) return answer;
    // Mongoose's is that of a connection that is not open.
    if (isUncertain(error) || error instanceof MongooseError) throw error;
    // One of them could not be sent: it is too large, for example.
    return { matchedCount: 0, refused: statements };
  }
}

// What the server says of single writes. The driver wraps other errors in one of the same class.
function answerIn(error: unknown, statements: readonly Statement[]): Answer | null {
  if (!(error instanceof mongo.MongoBulkWriteError)) return null;
  const refused = error.result.getWriteErrors().map(({ index }) => statements[index]!);
  const unmet = error.result.getWriteConcernError();
  if (refused.length === 0 && !unmet) return null;

  return { matchedCount: error.matchedCount, refused, ...(unmet && { error: concernError(unmet) }) };
}

// As the driver throws it for a single write.
function concernError({ code, errmsg }: mongo.WriteConcernError): Error {
  return new mongo.MongoWriteConcernError({ ok: 1, writeConcernError: { code: code!, errmsg: errmsg! } });
}

async function sendAlone({ model, writeConcern }: Definition, { item, resolve, reject }: Call): Promise<void> {
  try {
    const { matchedCount } = await persistently(() =>
      collectionOf(model).updateOne(item.filter, item.update, writeConcern),
    );
    resolve(matchedCount > 0);
  } catch (error) {
    reject(error);
  }
}

async function settledBy(
  { model, options }: Definition,
  writes: readonly HeldWrite[],
): Promise<(write: HeldWrite) => boolean> {
  const { state } = options.fields;
  const found = await answered(
    collectionOf(model)
      .find(
        { _id: { $in: writes.map(({ filter }) => filter._id) as never[] } },
        { projection: { [state]: 1, '_task.token': 1 }, ...NEWEST },
      )
      .toArray(),
  );
  const stored = new Map(found.map((document) => [keyOf(document._id), document]));

  return (write) => {
    const document = stored.get(keyOf(write.filter._id));
    const token = (document?.['_task'] as { token?: Types.ObjectId } | undefined)?.token;
    return !write.isRepeat && document?.[state] === write.state && token !== undefined && write.token.equals(token);
  };
}
