/** Ends a queue: when the user's signal is aborted, when the loop is left, or when nobody has it any more. */
export class Ending {
  readonly #controller = new AbortController();

  constructor(private readonly given: AbortSignal | undefined) {}

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Not before the queue is iterated: one that never is leaves nothing on a signal that lives long. Safe to call again. */
  follow(): void {
    if (this.given?.aborted) this.end();
    else if (!this.signal.aborted) this.given?.addEventListener('abort', this.end, { once: true });
  }

  readonly end = (): void => {
    this.given?.removeEventListener('abort', this.end);
    this.#controller.abort();
  };
}
