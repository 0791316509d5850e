import { debuglog } from 'node:util';
import { clearTimeout, setTimeout } from '../timers';

const debug = debuglog('task-queue');

/** How long a stream stays open after the last watcher has left, in milliseconds: another may soon come. */
const LINGER_MS = 10_000;
/** How long after a failure a stream is opened again, in milliseconds. */
const RETRY_MS = 30_000;

/** What an open stream tells of itself. */
export interface StreamEvents {
  /** It has ended without an error, and is to be opened again. */
  onEnd(): void;
  onError(error: Error): void;
}

/** What a shared stream is for. */
export interface StreamPurpose {
  /** What `NODE_DEBUG=task-queue` calls the stream. */
  readonly name: string;
  /** Opens it. */
  open(events: StreamEvents): { close(): Promise<unknown> };
  onFailure?(error: Error): void;
}

/**
 * A stream of hints, for one database and client, that is open while somebody watches, and opened again after a failure. A watcher must be
 * right without it, and later.
 */
export class SharedStream {
  #stream: ReturnType<StreamPurpose['open']> | null = null;
  #watchers = 0;
  #closing: NodeJS.Timeout | null = null;
  #retry: NodeJS.Timeout | null = null;

  constructor(private readonly purpose: StreamPurpose) {}

  /** Keeps the stream open until the returned function is called. `isWider`: it has to tell more than before, and is opened anew. */
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
      const stream = this.purpose.open({
        onEnd: () => this.#stream === stream && this.#reopen(),
        onError: (error) => this.#stream === stream && this.#fail(error),
      });
      this.#stream = stream;
      debug('%s opened', this.purpose.name);
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
    debug('%s failed: %s', this.purpose.name, error.message);
    this.purpose.onFailure?.(error);
  }

  #close(): void {
    const stream = this.#stream;
    this.#stream = null;
    stream?.close().catch(() => {});
    if (stream) debug('%s closed', this.purpose.name);
  }
}
