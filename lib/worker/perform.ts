import { modelOf } from '../definition/definition';
import { instrumentation, type ObservedCall } from '../observe';
import { setTimeout } from '../timers';
import { shownId } from '../values/id';
import type { HeldTask } from './held-task';
import type { ResolvedWorkerOptions } from './options';

/** What a handler threw, or the reason why the worker stopped waiting for it. */
export interface Thrown {
  readonly reason: unknown;
}

type Options = Pick<ResolvedWorkerOptions, 'handler'>;

/** Runs the handler until it ends or its task is aborted. Resolves to null when the handler succeeded. */
export function perform(held: HeldTask, options: Options): Promise<Thrown | null> {
  held.observed = instrumentation()?.perform(held.task) ?? null;

  return held.observed ? performSeen(held, options, held.observed) : call(held, options);
}

async function performSeen(held: HeldTask, options: Options, observed: ObservedCall): Promise<Thrown | null> {
  const thrown = await observed.within(() => call(held, options));
  observed.ended(thrown);

  return thrown;
}

async function call(held: HeldTask, { handler }: Options): Promise<Thrown | null> {
  try {
    const running: unknown = handler(held.task, contextOf(held));
    // A handler that ignores its signal must not keep the slot: its task is settled without it.
    if (isThenable(running)) await held.unlessAborted(running);
    else if (held.aborted) throw held.aborted.reason;
    return null;
  } catch (reason) {
    return { reason };
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}

/** The second argument of a handler. */
export interface TaskContext {
  /**
   * Aborted when the task is no longer the handler's: its lease was lost (`LeaseLostError`), the time limit was reached
   * (`TimeoutError`), or the worker stops and does not wait any longer (`AbortError`). The reason tells which. It is also aborted, with a
   * `TaskCancelledError`, when the task is to be cancelled: the handler may still finish it, or throw.
   */
  readonly signal: AbortSignal;
}

/** The context of a task. Its signal is created on demand: it costs more than all else a worker does for a task. */
function contextOf(held: TaskContext): TaskContext {
  return {
    get signal() {
      return held.signal;
    },
  };
}

/** Aborts a task when its handler and settle take longer than `timeoutMs`. Returns the timer, to be cleared when both have ended. */
export function startLimit(held: HeldTask, timeoutMs: number | false): NodeJS.Timeout | null {
  if (timeoutMs === false) return null;
  const { task } = held;

  return setTimeout(() => {
    const what = `${held.isConcluding ? 'The settle' : 'The handler'} of ${modelOf(task).modelName} ${shownId(task._id)}`;
    held.abort(new DOMException(`${what} took longer than ${timeoutMs} ms.`, 'TimeoutError'));
  }, timeoutMs);
}
