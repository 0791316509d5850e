import { Error as MongooseError, mongo, type Types } from 'mongoose';
import { Batcher, type Caller } from '../batcher';
import {
  type AnyDocument,
  collectionOf,
  type Definition,
  definitionOf,
  type Filter,
  modelOf,
  type RawDocument,
} from '../definition/definition';
import { State } from '../fields';
import { NEWEST } from '../server/read';
import { answered } from '../server/time-limit';
import { isUncertain, persistently } from '../server/transient';
import { handleOf } from '../task/handle';
import { keyOf } from '../values/id';
import type { Change } from './change';

/**
 * A write that ends a lease: it matches a task that is RUNNING under the token and gives it another state. Hence it is applied once,
 * whatever operators it has, however often it is sent.
 */
export interface HeldWrite {
  readonly token: Types.ObjectId;
  readonly state: State;
  readonly filter: Filter;
  readonly update: mongo.Document;
  /** Whether an earlier write by this handle failed: then what is stored may be that one's. */
  readonly isRepeat: boolean;
}

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

async function serve(definition: Definition, calls: readonly Call[]): Promise<void> {
  const { matchedCount, refused, error } = await send(
    definition,
    calls.map(({ item }) => item),
  );
  // Not waited for: others need not wait for them.
  for (const index of refused) void sendAlone(definition, calls[index]!);
  const written = calls.filter((_, index) => !refused.has(index));
  if (error !== undefined) return written.forEach(({ reject }) => reject(error));
  if (matchedCount === written.length) return written.forEach(({ resolve }) => resolve(true));

  const isOwn = await settledBy(
    definition,
    written.map(({ item }) => item),
  );
  for (const { item, resolve } of written) resolve(isOwn(item));
}

interface Answer {
  readonly matchedCount: number;
  /** The places of those that were refused, and are to be sent alone for errors of their own. */
  readonly refused: ReadonlySet<number>;
  /** What is wrong with all others. */
  readonly error?: unknown;
}

async function send(definition: Definition, writes: readonly HeldWrite[]): Promise<Answer> {
  const statements = writes.map(({ filter, update }) => ({ updateOne: { filter, update, hint: '_id_' } }));
  try {
    const { matchedCount } = await persistently(() =>
      collectionOf(definition.model).bulkWrite(statements as mongo.AnyBulkWriteOperation<RawDocument>[], {
        ordered: false,
        ...definition.writeConcern,
      }),
    );
    return { matchedCount, refused: new Set() };
  } catch (error) {
    const answer = answerIn(error);
    if (answer) return answer;
    // Mongoose's is that of a connection that is not open.
    if (isUncertain(error) || error instanceof MongooseError) throw error;
    // One of them could not be sent: it is too large, for example.
    return { matchedCount: 0, refused: new Set(writes.keys()) };
  }
}

// What the server says of single writes. The driver wraps other errors in one of the same class.
function answerIn(error: unknown): Answer | null {
  if (!(error instanceof mongo.MongoBulkWriteError)) return null;
  const refused = new Set(error.result.getWriteErrors().map(({ index }) => index));
  const unmet = error.result.getWriteConcernError();
  if (refused.size === 0 && !unmet) return null;

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
