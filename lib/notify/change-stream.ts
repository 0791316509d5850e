import { debuglog } from 'node:util';
import type { mongo } from 'mongoose';
import { type AnyModel, type AnySchema, optionsOf } from '../definition/definition';
import { State, UNDONE_STATES } from '../fields';
import { clockOf } from '../server/clock';
import { explained } from '../server/explain-error';
import { clearTimeout, setTimeout } from '../timers';
import { announceNamespace } from './arrivals';

const debug = debuglog('task-queue');

/** How long a stream stays open after the last idle consumer went back to work, in milliseconds: one may soon be idle again. */
const LINGER_MS = 10_000;
/** How long after a failure a stream is opened again, in milliseconds. */
const RETRY_MS = 30_000;

/** A model whose changes may make tasks ready; `isAwaited`: tasks wait for its documents. */
export interface Watched {
  readonly model: AnyModel;
  readonly isAwaited: boolean;
}

/** The names of the fields that an update has set, as whole texts, since they contain dots; `['']` for an insert. */
const written = {
  $ifNull: [{ $map: { input: { $objectToArray: '$updateDescription.updatedFields' }, in: '$$this.k' } }, ['']],
};
/** A renewal of a lease sets these fields at most. A wake also removes fields. */
const isRenewal = {
  'updateDescription.removedFields': { $size: 0 },
  $expr: { $setIsSubset: [written, ['_task.availableAt', '_task.progress']] },
};

/**
 * The change stream of one database and client, open only while a consumer is idle. Its events are hints: each consumer looks for
 * itself, and goes on polling without the stream.
 */
class DatabaseStream {
  readonly #collections = new Set<string>();
  /** Collections that tasks wait for: there the ends of tasks are news, too. */
  readonly #awaited = new Set<string>();
  readonly #stateFields = new Set<string>();
  #stream: mongo.ChangeStream | null = null;
  #idle = 0;
  #closing: NodeJS.Timeout | null = null;
  #retry: NodeJS.Timeout | null = null;
  #isWarned = false;

  constructor(private readonly database: mongo.Db) {}

  /** Keeps the stream open until the returned function is called. */
  watch(watched: readonly Watched[]): () => void {
    this.#idle++;
    clearTimeout(this.#closing ?? undefined);
    const isWider = watched.map((one) => this.#add(one)).includes(true);
    if (isWider) this.#close();
    this.#open();

    return () => {
      this.#idle--;
      if (this.#idle > 0) return;
      this.#closing = setTimeout(() => this.#close(), LINGER_MS);
      this.#closing.unref();
    };
  }

  #add({ model, isAwaited }: Watched): boolean {
    const size = () => this.#collections.size + this.#awaited.size + this.#stateFields.size;
    const before = size();
    this.#collections.add(model.collection.name);
    if (isAwaited) this.#awaited.add(model.collection.name);
    const options = optionsOf(model.schema as AnySchema);
    if (options) this.#stateFields.add(options.fields.state);

    return size() > before;
  }

  #open(): void {
    if (this.#stream || this.#retry || this.#idle === 0) return;
    try {
      const options = { readPreference: 'primary', readConcern: { level: 'majority' } } as const;
      const stream = this.database.watch(this.#pipeline(), options);
      stream.on('change', ({ ns }: { ns?: { db: string; coll: string } }) => {
        if (ns) announceNamespace(`${ns.db}.${ns.coll}`);
        else this.#reopen();
      });
      stream.on('error', (error) => this.#stream === stream && this.#fail(error));
      this.#stream = stream;
      debug('change stream opened on %s', this.database.databaseName);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  // Called when the database was dropped, which ends a stream without an error.
  #reopen(): void {
    this.#close();
    this.#open();
  }

  // Leaves out changes that make no task ready: a claim, the end of a task that no other waits for, a renewed lease.
  #pipeline(): mongo.Document[] {
    const hasState = (states: readonly State[]) =>
      [...this.#stateFields].map((field) => ({ [`updateDescription.updatedFields.${field}`]: { $in: states } }));
    const noNews = [
      ...hasState([State.RUNNING]),
      ...hasState([State.FINISHED, ...UNDONE_STATES]).map((ends) => ({
        ...ends,
        'ns.coll': { $nin: [...this.#awaited] },
      })),
      isRenewal,
    ];
    const news = {
      operationType: { $in: ['insert', 'update', 'replace'] },
      'ns.coll': { $in: [...this.#collections] },
      $nor: noNews,
    };

    return [{ $match: { $or: [{ operationType: 'invalidate' }, news] } }, { $project: { ns: 1 } }];
  }

  #fail(error: Error): void {
    this.#close();
    this.#retry = setTimeout(() => {
      this.#retry = null;
      this.#open();
    }, RETRY_MS);
    this.#retry.unref();
    debug('change stream failed on %s: %s', this.database.databaseName, error.message);
    // No warning when the application has closed its connection.
    if (this.#isWarned || error.name === 'MongoClientClosedError') return;
    this.#isWarned = true;
    process.emitWarning(
      `The change stream on ${this.database.databaseName} failed, so idle queues poll: ${(explained(error) as Error).message}`,
      'TaskQueueWarning',
    );
  }

  #close(): void {
    const stream = this.#stream;
    this.#stream = null;
    stream?.close().catch(() => {});
    if (stream) debug('change stream closed on %s', this.database.databaseName);
  }
}

const streams = new WeakMap<mongo.MongoClient, Map<string, DatabaseStream>>();

/** Watches the models' collections by change streams, where the server has them. Resolves to a function that stops watching. */
export async function watchChanges(watched: readonly Watched[]): Promise<() => void> {
  const stops: (() => void)[] = [];
  for (const [stream, ofStream] of await streamsOf(watched)) stops.push(stream.watch(ofStream));

  return () => stops.forEach((stop) => stop());
}

async function streamsOf(watched: readonly Watched[]): Promise<Map<DatabaseStream, Watched[]>> {
  const found = new Map<DatabaseStream, Watched[]>();
  for (const one of watched) {
    const clock = await clockOf(one.model);
    if (!clock.hasChangeStreams) continue;
    const stream = streamOf(one.model);
    found.set(stream, [...(found.get(stream) ?? []), one]);
  }

  return found;
}

function streamOf(model: AnyModel): DatabaseStream {
  const client = model.db.getClient() as unknown as mongo.MongoClient;
  const ofClient = streams.get(client) ?? new Map<string, DatabaseStream>();
  streams.set(client, ofClient);
  const stream = ofClient.get(model.db.name) ?? new DatabaseStream(client.db(model.db.name));
  ofClient.set(model.db.name, stream);

  return stream;
}
