import { Types } from 'mongoose';
import type { AnyDocument } from '../definition/definition';
import { LeaseLostError } from '../errors';
import { type Bookkeeping, handleOf, lease, type Lease, type Settling, settlingOf } from '../task/handle';

/** What a worker keeps of a task that it has taken out of its handler's hands. */
export interface Withdrawn {
  readonly lease: Lease;
  readonly stored: Bookkeeping;
  /** A settle that the handler had begun: should it get through, it decides. */
  readonly settling: Settling | undefined;
}

/** A task that a worker holds, and whether it is to be left alone: then with the reason. */
export class HeldTask {
  #controller: AbortController | null = null;
  #aborted: { readonly reason: unknown } | null = null;
  #withdrawn: Withdrawn | null = null;
  #listener: (reason: unknown) => void = () => {};

  /** Whether its handler has ended, so that it is being settled. */
  isConcluding = false;

  /** @param token is that of the lease with which the task was claimed. */
  constructor(
    readonly task: AnyDocument,
    readonly token: string,
  ) {}

  get aborted(): { readonly reason: unknown } | null {
    return this.#aborted;
  }

  /** Set by an abort, unless the task had been settled, or was lost. */
  get withdrawn(): Withdrawn | null {
    return this.#withdrawn;
  }

  /** Only the first reason counts. */
  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = { reason };
    // Before anybody hears of it, so that what the handler begins from now on is refused.
    if (!(reason instanceof LeaseLostError)) this.#withdrawn = withdraw(this.task);
    this.#controller?.abort(reason);
    this.#listener(reason);
  }

  /** What became of it, or the reason of an abort that came before. */
  unlessAborted<T>(running: PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#listener = reject;
      if (this.#aborted) reject(this.#aborted.reason as Error);
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

/** Gives the document a token that no task has. A settle that was sent before goes on with the true one. */
function withdraw(task: AnyDocument): Withdrawn | null {
  const held = lease(task);
  if (!held) return null;

  const handle = handleOf(task);
  const { stored } = handle;
  handle.lease = { ...held, token: new Types.ObjectId().toHexString() };
  return { lease: held, stored, settling: settlingOf(task) };
}
