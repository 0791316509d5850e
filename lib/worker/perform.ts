import { contextOf } from './context';
import type { HeldTask } from './held-task';
import type { ResolvedWorkerOptions } from './options';

/** What a handler threw, or why it is not waited for. */
export interface Thrown {
  readonly reason: unknown;
}

/** Runs the handler until it has ended, or its task is to be left alone. Null when it came to its end. */
export async function perform(
  held: HeldTask,
  { handler }: Pick<ResolvedWorkerOptions, 'handler'>,
): Promise<Thrown | null> {
  try {
    const running: unknown = handler(held.task, contextOf(held));
    // A handler that does not look at its signal must not keep the slot: its task is settled without it.
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
