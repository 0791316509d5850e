import { Types } from 'mongoose';
import type { AnyDocument } from '../definition/definition';
import { LeaseLostError, type TaskCancelledError } from '../errors';
import type { ObservedCall } from '../observe';
import { type Bookkeeping, handleOf, lease, type Lease, type Settling, settlingOf } from '../task/handle';
import { clearTimeout, monotonic, setTimeout } from '../timers';
import { MAX_TIMER_MS } from '../values/check';

/** What a worker keeps of a task that it has taken away from its handler. */
export interface Withdrawn {
  readonly lease: Lease;
  readonly stored: Bookkeeping;
  /** A settle that the handler had begun; if it gets through, it decides. */
  readonly settling: Settling | undefined;
}

/** A task that a worker holds, and the reason of its abort, if there was one. */
export class HeldTask {
  #controller: AbortController | null = null;
  #aborted: { readonly reason: unknown } | null = null;
  #withdrawn: Withdrawn | null = null;
  #cancelled: TaskCancelledError | null = null;
  #limit: NodeJS.Timeout | null = null;
  #listener: (reason: unknown) => void = () => {};

  /** Whether its handler has ended and it is being settled. */
  isConcluding = false;
  /** When its handler was called, by the monotonic clock; null before that. */
  begunAt: number | null = null;
  /** Its handler's call as an instrumentation sees it; null without one. */
  observed: ObservedCall | null = null;
  /** How long it was ready before it was claimed, in milliseconds. */
  waitedMs: number | null = null;

  /** @param token The token of the lease with which the task was claimed. */
  constructor(
    readonly task: AnyDocument,
    readonly token: string,
  ) {}

  get aborted(): { readonly reason: unknown } | null {
    return this.#aborted;
  }

  /** Set by an abort, unless the task was settled before, or its lease was lost. */
  get withdrawn(): Withdrawn | null {
    return this.#withdrawn;
  }

  /** Set once its handler was told that the task is to be cancelled. */
  get cancelled(): TaskCancelledError | null {
    return this.#cancelled;
  }

  /** Tells the handler that the task is to be cancelled. It may still finish the task; `leftMs` later the task is taken away from it. */
  cancel(error: TaskCancelledError, leftMs: number): void {
    if (this.#cancelled || this.#aborted) return;
    this.#cancelled = error;
    this.#controller?.abort(error);
    this.#limit = setTimeout(() => this.abort(error), Math.max(0, Math.min(leftMs, MAX_TIMER_MS)));
  }

  /** Call it when the task has left the worker. */
  end(): void {
    clearTimeout(this.#limit ?? undefined);
  }

  /** Aborts the task. Only the first reason counts. */
  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = { reason };
    // Before the signal is aborted, so that a settle the handler begins from now on is refused.
    if (!(reason instanceof LeaseLostError)) this.#withdrawn = withdraw(this.task);
    this.#controller?.abort(reason);
    this.#listener(reason);
  }

  /** Notes that its handler is called now. */
  begin(): void {
    const { startedAt, dueAt } = handleOf(this.task).stored;
    this.begunAt = monotonic();
    this.waitedMs = startedAt && dueAt ? Math.max(0, startedAt.getTime() - dueAt.getTime()) : null;
  }

  /** How long it has been worked on, in milliseconds; null before that. */
  get ranMs(): number | null {
    return this.begunAt === null ? null : monotonic() - this.begunAt;
  }

  /** Settles as `running` does, or rejects with the reason of an abort that comes first. */
  unlessAborted<T>(running: PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#listener = reject;
      if (this.#aborted) reject(this.#aborted.reason as Error);
      running.then(resolve, reject);
    });
  }

  /** The signal for the handler, created when it is first read. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      const reason = this.#aborted?.reason ?? this.#cancelled;
      if (reason) this.#controller.abort(reason);
    }

    return this.#controller.signal;
  }
}

/** Gives the document a token that no task has, so that a new settle is refused. A settle sent before keeps the true token. */
function withdraw(task: AnyDocument): Withdrawn | null {
  const held = lease(task);
  if (!held) return null;

  const handle = handleOf(task);
  const { stored } = handle;
  handle.lease = { ...held, token: new Types.ObjectId().toHexString() };
  return { lease: held, stored, settling: settlingOf(task) };
}
