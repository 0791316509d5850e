import type { AnyDocument } from '../definition';

/** A task that a worker holds, and whether it is to be left alone: then with the reason. */
export class Held {
  #controller: AbortController | null = null;
  #aborted: { readonly reason: unknown } | null = null;
  #listener: (reason: unknown) => void = () => {};

  /** @param token is that of the lease with which the task was claimed. */
  constructor(
    readonly task: AnyDocument,
    readonly token: string,
  ) {}

  get aborted(): { readonly reason: unknown } | null {
    return this.#aborted;
  }

  /** Only the first reason counts. */
  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = { reason };
    this.#controller?.abort(reason);
    this.#listener(reason);
  }

  /** What became of it, or the reason of an abort that came before. */
  unlessAborted(running: PromiseLike<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#listener = reject;
      if (this.#aborted) reject(this.#aborted.reason);
      running.then(resolve, reject);
    });
  }

  /** Made when it is asked for. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#aborted.reason);
    }

    return this.#controller.signal;
  }
}
