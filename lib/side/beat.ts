import { randomInt } from 'node:crypto';
import { hostname } from 'node:os';
import { ConnectionStates, Types } from 'mongoose';
import { type AnyDocument, type AnyModel, definitionOf, modelOf, namespaceOf } from '../definition/definition';
import { clockOf, knownNow, type ServerClock } from '../server/clock';
import { explained } from '../server/explain-error';
import { answered } from '../server/time-limit';
import { clearTimeout, setTimeout, sleep } from '../timers';
import { sentenceOf } from '../values/describe';
import { isWritable } from '../values/writable';
import { sideOf } from './collection';
import { Tallies } from './tally';

/** How often a worker writes down that it lives and what it did, in milliseconds. */
const BEAT_MS = 20_000;
/** The first time comes within this time, in milliseconds, so that a new worker is seen soon. */
const FIRST_MS = 2_000;
/** A worker that has not beaten for so long is gone, in milliseconds: two beats may fail. */
export const GONE_MS = 60_000;
/** How long the end of a worker waits for its last write, in milliseconds. */
const LAST_MS = 500;
/** Of so many tasks that it holds a worker writes down which they are. */
const MAX_TASKS = 100;

/** How busy a worker is. */
export interface Load {
  /** At most this many handlers run at once. */
  readonly concurrency: number;
  /** Tasks with a handler that runs. */
  readonly running: number;
  /** All claimed tasks: also those that are settled, or wait for a slot. */
  readonly held: number;
}

/** A task that a worker holds, and the token by which it does. */
export interface Holding {
  readonly task: AnyDocument;
  readonly token: string;
}

/** Writes down, for one run of a worker, that it lives and what it did: one write per collection and BEAT_MS. */
export class Beat {
  readonly #id = new Types.ObjectId();
  /** The counts of each collection, by a model of it. */
  readonly #books = new Map<string, { readonly model: AnyModel; readonly tallies: Tallies; isIndexed: boolean }>();
  readonly #names: string[];
  #clock: ServerClock | null = null;
  #hasStopped = false;
  #timer: NodeJS.Timeout | null = null;
  #hasBeaten = false;
  #isWarned = false;

  constructor(
    models: readonly AnyModel[],
    private readonly load: () => Load,
    private readonly held: () => readonly Holding[] = () => [],
  ) {
    this.#names = models.map(({ modelName }) => modelName);
    for (const model of models)
      if (definitionOf(model).options.history && !this.#books.has(namespaceOf(model)))
        this.#books.set(namespaceOf(model), { model, tallies: new Tallies(), isIndexed: false });
  }

  /** Call it when the models are connected. Resolves when it counts by the server's clock; nothing has to wait for that. */
  async start(): Promise<void> {
    if (this.#books.size === 0) return;
    this.#setTimer(randomInt(FIRST_MS));
    await this.#readClock();
  }

  async #readClock(): Promise<void> {
    const [book] = this.#books.values();
    try {
      const clock = await clockOf(book!.model);
      await clock.now();
      this.#clock = clock;
    } catch {
      // The server is out of reach: the next beat reads it.
    }
  }

  record(model: AnyModel, outcome: string, waitMs: number | null, runMs: number | null): void {
    const book = this.#books.get(namespaceOf(model));
    if (!book || this.#hasStopped) return;
    // The settle of a task has read the same clock, also where this beat has not yet.
    const now = this.#clock?.estimate() ?? knownNow(model);
    if (!now) return;
    const { historySeconds } = definitionOf(model).options;
    const minute = { model: model.modelName, now, keptSeconds: historySeconds };
    book.tallies.add(minute, outcome, waitMs, runMs);
  }

  /** Writes what is left, and that the worker has gone. It does not wait long. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer ?? undefined);
    this.#hasStopped = true;
    const writing = this.#writeAll(true);
    const limit = new AbortController();
    await Promise.race([writing, sleep(LAST_MS, undefined, { signal: limit.signal }).catch(() => {})]);
    limit.abort();
  }

  #setTimer(ms: number): void {
    this.#timer = setTimeout(() => void this.#beat(), ms);
    this.#timer.unref();
  }

  async #beat(): Promise<void> {
    await this.#writeAll(false);
    this.#hasBeaten = true;
    if (this.#hasStopped) return;
    this.#setTimer(BEAT_MS);
    if (!this.#clock) await this.#readClock();
  }

  async #writeAll(isLast: boolean): Promise<void> {
    await Promise.all([...this.#books.keys()].map((name) => this.#write(name, isLast)));
  }

  async #write(name: string, isLast: boolean): Promise<void> {
    const book = this.#books.get(name)!;
    if (isLast && book.tallies.isEmpty && !this.#hasBeaten) return;
    const taken = book.tallies.take();
    try {
      const side = sideOf(book.model);
      if (!book.isIndexed) await answered(side.createIndex({ expiresAt: 1 }, { expireAfterSeconds: 0 }));
      book.isIndexed = true;
      const sign = isLast ? { deleteOne: { filter: { _id: this.#id as never } } } : this.#sign(book.model);
      const { writeConcern } = definitionOf(book.model);
      await answered(side.bulkWrite([...taken.statements(), sign], { ordered: false, ...writeConcern }));
    } catch (error) {
      book.tallies.putBack(taken);
      // No warning when the application has closed its connection.
      if (book.model.db.readyState === ConnectionStates.connected) this.#warn(name, error);
    }
  }

  #sign(model: AnyModel) {
    const signature = { id: this.#id.toHexString(), host: hostname(), pid: process.pid, models: this.#names };
    const worker = { ...signature, ...this.load(), tasks: this.#tasksIn(model) };
    const since = { $ifNull: ['$worker.since', '$$NOW'] };
    const set = {
      worker: { $mergeObjects: [{ $literal: worker }, { since }] },
      beat: '$$NOW',
      expiresAt: { $add: ['$$NOW', GONE_MS] },
    };

    return { updateOne: { filter: { _id: this.#id as never }, update: [{ $set: set }], upsert: true } };
  }

  /** By its token, nobody takes a task for held that has left the worker since. */
  #tasksIn({ collection }: AnyModel): { id: unknown; token: Types.ObjectId }[] {
    return this.held()
      .filter(({ task }) => modelOf(task).collection === collection && isWritable(task._id))
      .slice(0, MAX_TASKS)
      .map(({ task, token }) => ({ id: task._id as unknown, token: new Types.ObjectId(token) }));
  }

  #warn(name: string, error: unknown): void {
    if (this.#isWarned) return;
    this.#isWarned = true;
    process.emitWarning(
      `A worker cannot write its history to ${name}.queue: ${sentenceOf(explained(error))} Its tasks are worked on all the same; \`taskQueue(schema, { history: false })\` switches it off.`,
      'TaskQueueWarning',
    );
  }
}
