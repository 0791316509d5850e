import { debuglog } from 'node:util';
import type { mongo } from 'mongoose';
import { announceNamespace } from './arrivals';
import { clockOf } from '../clock';
import { optionsOf, type AnyModel, type AnySchema } from '../definition';
import { State } from '../fields';

const debug = debuglog('task-queue');

/** How long a stream stays open after the last consumer went back to work, in milliseconds: it may be idle again soon. */
const LINGER_MS = 10_000;
/** How long after a failure a stream is opened again, in milliseconds. */
const RETRY_MS = 30_000;

/**
 * One change stream for each database and process, open only while somebody is idle. What it tells is a hint and no more:
 * consumers look for themselves, and go on polling without it.
 */
class DatabaseStream {
  readonly #collections = new Set<string>();
  readonly #stateFields = new Set<string>();
  #stream: mongo.ChangeStream | null = null;
  #idle = 0;
  #closing: NodeJS.Timeout | null = null;
  #retry: NodeJS.Timeout | null = null;
  #isWarned = false;

  constructor(private readonly database: mongo.Db) {}

  /** Keeps the stream open until the returned function is called. */
  watch(models: readonly AnyModel[]): () => void {
    this.#idle++;
    clearTimeout(this.#closing ?? undefined);
    const isWider = models.map((model) => this.#add(model)).includes(true);
    if (isWider) this.#close();
    this.#open();

    return () => {
      this.#idle--;
      if (this.#idle > 0) return;
      this.#closing = setTimeout(() => this.#close(), LINGER_MS);
      this.#closing.unref();
    };
  }

  #add(model: AnyModel): boolean {
    const before = this.#collections.size + this.#stateFields.size;
    this.#collections.add(model.collection.name);
    const options = optionsOf(model.schema as AnySchema);
    if (options) this.#stateFields.add(options.fields.state);

    return this.#collections.size + this.#stateFields.size > before;
  }

  #open(): void {
    if (this.#stream || this.#retry || this.#idle === 0) return;
    try {
      const stream = this.database.watch(this.#pipeline(), { readPreference: 'primary' });
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

  // Its database was dropped, which ends a stream without an error.
  #reopen(): void {
    this.#close();
    this.#open();
  }

  // What makes a task running is no news to those who look for work.
  #pipeline(): mongo.Document[] {
    const notRunning = [...this.#stateFields].map((field) => ({
      [`updateDescription.updatedFields.${field}`]: { $ne: State.RUNNING },
    }));
    const news = {
      operationType: { $in: ['insert', 'update', 'replace'] },
      'ns.coll': { $in: [...this.#collections] },
    };

    return [
      { $match: { $or: [{ operationType: 'invalidate' }, { $and: [news, ...notRunning] }] } },
      { $project: { ns: 1 } },
    ];
  }

  #fail(error: Error): void {
    this.#close();
    this.#retry = setTimeout(() => {
      this.#retry = null;
      this.#open();
    }, RETRY_MS);
    this.#retry.unref();
    debug('change stream failed on %s: %s', this.database.databaseName, error.message);
    // When the application closed its connection nobody is to be told.
    if (this.#isWarned || error.name === 'MongoClientClosedError') return;
    this.#isWarned = true;
    process.emitWarning(
      `The change stream on ${this.database.databaseName} failed, so idle queues poll: ${error.message}`,
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

/** Has the server tell of changes to the models' collections while a consumer is idle, where it can. Returns how to stop that. */
export async function watchChanges(models: readonly AnyModel[]): Promise<() => void> {
  const stops: (() => void)[] = [];
  for (const [stream, watched] of await streamsOf(models)) stops.push(stream.watch(watched));

  return () => stops.forEach((stop) => stop());
}

async function streamsOf(models: readonly AnyModel[]): Promise<Map<DatabaseStream, AnyModel[]>> {
  const found = new Map<DatabaseStream, AnyModel[]>();
  for (const model of models) {
    const clock = await clockOf(model);
    if (!clock.hasChangeStreams) continue;
    const stream = streamOf(model);
    found.set(stream, [...(found.get(stream) ?? []), model]);
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
