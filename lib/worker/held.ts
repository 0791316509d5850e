import type { AnyDocument } from '../definition';
import type { TaskContext } from './context';

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

  /** What the handler is given. A signal costs more than all else here, so it is made when the handler asks for it. */
  get context(): TaskContext {
    const signal = () => this.#signal;

    return {
      get signal() {
        return signal();
      },
    };
  }

  /** Only the first reason counts. */
  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = { reason };
    this.#controller?.abort(reason);
    this.#listener(reason);
  }

  onAbort(listener: (reason: unknown) => void): void {
    this.#listener = listener;
    if (this.#aborted) listener(this.#aborted.reason);
  }

  get #signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#aborted.reason);
    }

    return this.#controller.signal;
  }
}
