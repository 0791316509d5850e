import { defaultBackoff, waitAfter } from '../backoff';
import { type AnyDocument, definitionOf, modelOf } from '../definition/definition';
import { State } from '../fields';
import { handleOf } from '../task/handle';
import { MAX_DELAY_MS, refuseUnknown, requireInteger } from '../values/check';
import { type Change, due, failed } from './change';
import { isExhausted } from './exhausted';
import { requireHold } from './hold';
import { keptSlot } from './next-slot';
import { settle, type SettleOptions } from './settle';

/** Options of `retry()`. */
export interface RetryOptions extends SettleOptions {
  /** How long the task waits for its next attempt, in milliseconds. Default: the plugin's `backoff`. */
  delayMs?: number | undefined;

  /** Why this attempt failed; kept in `task.failures`. Default: none, but a standard message on the last attempt. */
  error?: unknown;
}

/** The failure of a task whose last attempt was retried without an error. */
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

/** See `TaskMethods.retry`. */
export async function retry<D extends AnyDocument>(task: D, options: RetryOptions = {}): Promise<D> {
  refuseUnknown(options, ['delayMs', 'error', 'session'], 'retry()');
  const { delayMs, error } = options;
  if (delayMs !== undefined)
    requireInteger('delayMs', delayMs, 0, MAX_DELAY_MS, 'milliseconds', '`retry({ delayMs: 60_000 })`');
  const { backoff } = definitionOf(modelOf(task)).options;
  const { attempt } = requireHold(task, 'retry');
  if (isExhausted(task, attempt)) return fail(task, error === undefined ? NO_REASON : error, sessionOption(options));

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
 * Retries a task for a worker, which must not keep it because the model's backoff throws: the default backoff is used then, and `tell` is
 * called with the error once the task is back in the queue.
 */
export async function retryAnyhow(task: AnyDocument, error: unknown, tell: (wrong: unknown) => void): Promise<void> {
  const { backoff } = definitionOf(modelOf(task)).options;
  const { attempt } = requireHold(task, 'retry');
  if (isExhausted(task, attempt)) return void (await fail(task, error));

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

/** Moves the start of the expiry to the new due time. A task without expiry gets none. */
function keptFrom(task: AnyDocument, dueAt: Date): Change['task'] {
  const { expiresFrom } = handleOf(task).stored;

  return expiresFrom && expiresFrom < dueAt ? { expiresFrom: dueAt } : {};
}

function sessionOption(options: SettleOptions): SettleOptions {
  return Object.hasOwn(options, 'session') ? { session: options.session } : {};
}
