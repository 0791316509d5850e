/** Callers that are served by one batch at the most. */
const MAX_BATCH = 500;

/** Who waits for the outcome of a call, and with what. */
export interface Caller<Item, Result> {
  readonly item: Item;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/** How callers are served together. */
interface Service<Item, Result> {
  /** Tells each of them the outcome; where it throws, all who have not been told yet get the error. */
  serve(callers: readonly Caller<Item, Result>[]): Promise<void>;
  /** How many of those that wait can be in one batch, at least one. Default: all of them. */
  fit?(callers: readonly Caller<Item, Result>[]): number;
  /** Called when nobody waits any more. */
  onIdle?(): void;
}

/**
 * Serves callers together: those who come while a batch is under way are collected for the next one. A caller who is alone is
 * served at once.
 */
export class Batcher<Item, Result> {
  #waiting: Caller<Item, Result>[] = [];
  #isServing = false;

  constructor(private readonly service: Service<Item, Result>) {}

  call(item: Item): Promise<Result> {
    const promise = new Promise<Result>((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
    });
    if (!this.#isServing) {
      this.#isServing = true;
      // A turn later, so that all who call in the same moment are in the first batch.
      void Promise.resolve().then(() => this.#serveAll());
    }

    return promise;
  }

  async #serveAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const first = this.#waiting.slice(0, MAX_BATCH);
      const batch = this.#waiting.splice(0, this.service.fit?.(first) ?? first.length);
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
