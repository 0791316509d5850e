/** Ends a queue: when the user's signal is aborted, when the loop is left, or when the queue is garbage-collected. */
export class Ending {
  readonly #controller = new AbortController();

  constructor(private readonly given: AbortSignal | undefined) {}

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Follows the user's signal, from the first `next()` on: an unused queue leaves no listener on it. Safe to call again. */
  follow(): void {
    if (this.given?.aborted) this.end();
    else if (!this.signal.aborted) this.given?.addEventListener('abort', this.end, { once: true });
  }

  readonly end = (): void => {
    this.given?.removeEventListener('abort', this.end);
    this.#controller.abort();
  };
}
