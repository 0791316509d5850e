import { debuglog } from 'node:util';
import type { mongo } from 'mongoose';
import { clearTimeout, setTimeout } from '../timers';

const debug = debuglog('task-queue');

/** How long a stream stays open after the last watcher has left, in milliseconds: another may soon come. */
const LINGER_MS = 10_000;
/** How long after a failure a stream is opened again, in milliseconds. */
const RETRY_MS = 30_000;

/** Where a change was made. */
export interface Namespace {
  readonly db: string;
  readonly coll: string;
}

/** Opens a change stream of a database. `onChange` is called without a namespace when the database was dropped, which ends it without an error. */
export function openStream(
  database: mongo.Db,
  filter: mongo.Document,
  onChange: (namespace: Namespace | undefined) => void,
): mongo.ChangeStream {
  const news = { $or: [{ operationType: 'invalidate' }, filter] };
  const stream = database.watch([{ $match: news }, { $project: { ns: 1 } }], {
    readPreference: 'primary',
    readConcern: { level: 'majority' },
  });

  return stream.on('change', ({ ns }: { ns?: Namespace }) => onChange(ns));
}

/** What a shared stream is for. */
export interface StreamPurpose {
  /** What `NODE_DEBUG=task-queue` calls the stream. */
  readonly name: string;
  /** The changes that are news, as stages on change events. Read each time the stream is opened. */
  filter(): mongo.Document;
  /** Called with the collection of each change. */
  onChange(namespace: Namespace): void;
  onFailure?(error: Error): void;
}

/**
 * A change stream of one database and client that is open while somebody watches, and opened again after a failure. What it tells is a
 * hint only: a watcher must be right without it, and later.
 */
export class SharedStream {
  #stream: mongo.ChangeStream | null = null;
  #watchers = 0;
  #closing: NodeJS.Timeout | null = null;
  #retry: NodeJS.Timeout | null = null;

  constructor(
    private readonly database: mongo.Db,
    private readonly purpose: StreamPurpose,
  ) {}

  /** Keeps the stream open until the returned function is called. `isWider`: the filter takes in more than before. */
  watch(isWider: boolean): () => void {
    this.#watchers++;
    clearTimeout(this.#closing ?? undefined);
    if (isWider) this.#close();
    this.#open();

    return () => {
      this.#watchers--;
      if (this.#watchers > 0) return;
      this.#closing = setTimeout(() => this.#close(), LINGER_MS);
      this.#closing.unref();
    };
  }

  #open(): void {
    if (this.#stream || this.#retry || this.#watchers === 0) return;
    try {
      const stream = openStream(this.database, this.purpose.filter(), (namespace) =>
        namespace ? this.purpose.onChange(namespace) : this.#reopen(),
      );
      stream.on('error', (error) => this.#stream === stream && this.#fail(error));
      this.#stream = stream;
      debug('%s opened on %s', this.purpose.name, this.database.databaseName);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #reopen(): void {
    this.#close();
    this.#open();
  }

  #fail(error: Error): void {
    this.#close();
    this.#retry = setTimeout(() => {
      this.#retry = null;
      this.#open();
    }, RETRY_MS);
    this.#retry.unref();
    debug('%s failed on %s: %s', this.purpose.name, this.database.databaseName, error.message);
    this.purpose.onFailure?.(error);
  }

  #close(): void {
    const stream = this.#stream;
    this.#stream = null;
    stream?.close().catch(() => {});
    if (stream) debug('%s closed on %s', this.purpose.name, this.database.databaseName);
  }
}
