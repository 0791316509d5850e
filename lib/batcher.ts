import { nextTurn } from './timers';

/** At most this many callers are served by one batch. */
const MAX_BATCH = 500;

/** A pending call: its item, and the functions that settle it. */
export interface Caller<Item, Result> {
  readonly item: Item;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/** The work of a batcher. */
interface Service<Item, Result> {
  /** Settles each call. If it throws, all calls that are not settled yet reject with the error. */
  serve(callers: readonly Caller<Item, Result>[]): Promise<void>;
  /** How many of the pending calls, from the first on, can be in one batch; at least one. Default: all. */
  fit?(callers: readonly Caller<Item, Result>[]): number;
  /** Called when no call is pending any more. */
  onIdle?(): unknown;
}

/**
 * Serves calls in batches: calls that come while a batch is under way are collected for the next one. A call that comes alone is served
 * at once.
 */
export class Batcher<Item, Result> {
  #waiting: Caller<Item, Result>[] = [];
  #isServing = false;
  /** Whether the last batch was of several. */
  #isShared = false;

  constructor(private readonly service: Service<Item, Result>) {}

  call(item: Item): Promise<Result> {
    const promise = new Promise<Result>((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
    });
    if (!this.#isServing) {
      this.#isServing = true;
      // A microtask later, so that all calls of the same moment are in the first batch.
      void Promise.resolve().then(() => this.#serveAll());
    }

    return promise;
  }

  async #serveAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      // Callers who were served together come back within one turn, some a few microtasks before the others: they are not to be parted.
      if (this.#isShared) await nextTurn();
      const first = this.#waiting.slice(0, MAX_BATCH);
      const batch = this.#waiting.splice(0, this.service.fit?.(first) ?? first.length);
      this.#isShared = batch.length > 1;
      try {
        await this.service.serve(batch);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#isServing = false;
    this.service.onIdle?.();
  }
}
