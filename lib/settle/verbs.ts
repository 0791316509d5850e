import { defaultBackoff, waitAfter } from '../backoff';
import { type AnyDocument, definitionOf, modelOf } from '../definition/definition';
import { State } from '../fields';
import { handleOf, LEASE_ENDED, MAX_FAILURES } from '../task/handle';
import { MAX_DELAY_MS, refuseUnknown, requireInteger } from '../values/check';
import { describe } from '../values/describe';
import type { Change } from './change';
import { requireHold } from './hold';
import { keptSlot } from './next-slot';
import { settle, type SettleOptions } from './settle';

export interface RetryOptions extends SettleOptions {
  /** How long the task waits, in milliseconds. Default: the plugin's `backoff`. */
  delayMs?: number | undefined;

  /** Why this attempt failed; kept in `task.failures`. Default: none, but on the last attempt one that says so. */
  error?: unknown;
}

/** Why a task failed whose last attempt was to be made again, by a caller who gave no error. */
const NO_REASON = 'The last attempt was to be retried, and no error was given for it.';

/** See `TaskMethods.finish`. */
export function finish<D extends AnyDocument>(task: D, options: SettleOptions = {}): Promise<D> {
  return settle(task, 'finish', options, (settledAt) => ({
    state: State.FINISHED,
    task: { ...due(task), settledAt },
  }));
}

/** See `TaskMethods.fail`. */
export function fail<D extends AnyDocument>(task: D, error?: unknown, options: SettleOptions = {}): Promise<D> {
  return settle(task, 'fail', options, (settledAt) => ({
    state: State.FAILED,
    task: { ...due(task), settledAt, ...failed(task, error, settledAt) },
  }));
}

/** Fails a task that was claimed although it had used its attempts: the lease of the last one ended. */
export function failExhausted<D extends AnyDocument>(task: D): Promise<D> {
  const { maxAttempts: attempts } = definitionOf(modelOf(task)).options;
  const handle = handleOf(task);
  handle.stored = { ...handle.stored, attempts };

  return settle(task, 'fail', {}, (settledAt) => ({
    state: State.FAILED,
    task: { ...due(task), settledAt, attempts, ...failed(task, LEASE_ENDED, settledAt) },
  }));
}

/** See `TaskMethods.retry`. */
export async function retry<D extends AnyDocument>(task: D, options: RetryOptions = {}): Promise<D> {
  refuseUnknown(options, ['delayMs', 'error', 'session'], 'retry()');
  const { delayMs, error } = options;
  if (delayMs !== undefined)
    requireInteger('delayMs', delayMs, 0, MAX_DELAY_MS, 'milliseconds', '`retry({ delayMs: 60_000 })`');
  const { maxAttempts, backoff } = definitionOf(modelOf(task)).options;
  const { attempt } = requireHold(task, 'retry');
  if (attempt >= maxAttempts) return fail(task, error === undefined ? NO_REASON : error, sessionOption(options));

  const waitMs = delayMs ?? waitAfter(attempt, backoff);
  return settle(task, 'retry', sessionOption(options), (now) => {
    const dueAt = new Date(now.getTime() + waitMs);
    return {
      state: State.CREATED,
      task: { availableAt: dueAt, dueAt, ...keptFrom(task, dueAt), ...keptSlot(task), ...failed(task, error, now) },
    };
  });
}

/**
 * The same for a worker, whose task must not stay held because the model's backoff is wrong: then it waits by the default one. Calls
 * `tell` with what is wrong, once the task was put back.
 */
export async function retryAnyhow(task: AnyDocument, error: unknown, tell: (wrong: unknown) => void): Promise<void> {
  const { maxAttempts, backoff } = definitionOf(modelOf(task)).options;
  const { attempt } = requireHold(task, 'retry');
  if (attempt >= maxAttempts) return void (await fail(task, error));

  let wrong: { readonly reason: unknown } | null = null;
  let delayMs: number;
  try {
    delayMs = waitAfter(attempt, backoff);
  } catch (reason) {
    wrong = { reason };
    delayMs = defaultBackoff(attempt);
  }
  await retry(task, { error, delayMs });
  if (wrong) tell(wrong.reason);
}

/** See `TaskMethods.release`. */
export async function release<D extends AnyDocument>(task: D, options: SettleOptions = {}): Promise<D> {
  refuseUnknown(options, ['session'], 'release()');
  const { attempt } = requireHold(task, 'release');

  return settle(task, 'release', options, () => ({
    state: State.CREATED,
    task: { ...due(task), attempts: attempt - 1 },
  }));
}

/** When the task is due by itself, so that one put back by a raw write is ready at once. */
function due(task: AnyDocument): Change['task'] {
  return { availableAt: handleOf(task).stored.dueAt, waitingOn: undefined, recheckAt: undefined };
}

/** The expiry counts from when the task is due at last. One that has none gets none. */
function keptFrom(task: AnyDocument, dueAt: Date): Change['task'] {
  const { expiresFrom } = handleOf(task).stored;

  return expiresFrom && expiresFrom < dueAt ? { expiresFrom: dueAt } : {};
}

function sessionOption(options: SettleOptions): SettleOptions {
  return Object.hasOwn(options, 'session') ? { session: options.session } : {};
}

/** What a failed attempt adds to the task's bookkeeping. */
export function failed(task: AnyDocument, error: unknown, at: Date): Change['task'] {
  if (error === undefined) return {};
  const { stored } = handleOf(task);
  const failure = { ...describe(error), at, attempt: stored.attempts ?? 0 };

  return { errors: [...(stored.errors ?? []), failure].slice(-MAX_FAILURES) };
}
