import { defaultBackoff, waitAfter } from '../backoff';
import { type AnyDocument, definitionOf, modelOf } from '../definition/definition';
import { InvalidOptionError } from '../errors';
import { State } from '../fields';
import { handleOf } from '../task/handle';
import { MAX_DELAY_MS, refuseUnknown, requireDate, requireInteger } from '../values/check';
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

export interface ReleaseOptions extends SettleOptions {
  /** How long the task waits before it can be popped again, in milliseconds. Default: it keeps its due time. */
  delayMs?: number | undefined;

  /** When the task can be popped again, by the server's clock. Not together with `delayMs`. Default: it keeps its due time. */
  until?: Date | undefined;
}

/** The failure of a task whose last attempt was retried without an error. */
const NO_REASON = 'The last attempt was to be retried, and no error was given for it.';

/** See `TaskMethods.finish`. */
export function finish<D extends AnyDocument>(task: D, options: SettleOptions = {}): Promise<D> {
  return settle(task, 'finish', options, (settledAt) => ({
    state: State.FINISHED,
    task: Object.assign(due(task), { settledAt }),
  }));
}

/** See `TaskMethods.fail`. */
export function fail<D extends AnyDocument>(task: D, error?: unknown, options: SettleOptions = {}): Promise<D> {
  return failBy(task, error, options, false);
}

/** Fails a task that was not failed on purpose: unless it is to be cancelled. */
export function failThrown<D extends AnyDocument>(task: D, error?: unknown, options: SettleOptions = {}): Promise<D> {
  return failBy(task, error, options, true);
}

function failBy<D extends AnyDocument>(task: D, error: unknown, options: SettleOptions, givesWay: boolean): Promise<D> {
  const change = (settledAt: Date) => ({
    state: State.FAILED,
    task: { ...due(task), settledAt, ...failed(task, error, settledAt) },
  });

  return settle(task, 'fail', options, change, givesWay);
}

/** See `TaskMethods.retry`. */
export async function retry<D extends AnyDocument>(task: D, options: RetryOptions = {}): Promise<D> {
  refuseUnknown(options, ['delayMs', 'error', 'session'], 'retry()');
  const { delayMs, error } = options;
  if (delayMs !== undefined)
    requireInteger('delayMs', delayMs, 0, MAX_DELAY_MS, 'milliseconds', '`retry({ delayMs: 60_000 })`');
  const { backoff } = definitionOf(modelOf(task)).options;
  const { attempt } = requireHold(task, 'retry');
  if (isExhausted(task, attempt))
    return failThrown(task, error === undefined ? NO_REASON : error, sessionOption(options));

  const waitMs = delayMs ?? waitAfter(attempt, backoff);
  const change = (now: Date) => {
    const dueAt = new Date(now.getTime() + waitMs);
    return {
      state: State.CREATED,
      task: { ...putOff(task, dueAt), ...failed(task, error, now) },
    };
  };
  return settle(task, 'retry', sessionOption(options), change, true);
}

/**
 * Retries a task for a worker, which must not keep it because the model's backoff throws: the default backoff is used then, and `tell` is
 * called with the error once the task is back in the queue.
 */
export async function retryAnyhow(task: AnyDocument, error: unknown, tell: (wrong: unknown) => void): Promise<void> {
  const { backoff } = definitionOf(modelOf(task)).options;
  const { attempt } = requireHold(task, 'retry');
  if (isExhausted(task, attempt)) return void (await failThrown(task, error));

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
export async function release<D extends AnyDocument>(task: D, options: ReleaseOptions = {}): Promise<D> {
  refuseUnknown(options, ['session', 'delayMs', 'until'], 'release()');
  const { delayMs, until } = options;
  checkSnooze(delayMs, until);
  const { attempt } = requireHold(task, 'release');
  const isSnooze = delayMs !== undefined || until !== undefined;
  const change = (now: Date) => ({
    state: State.CREATED,
    task: {
      ...(isSnooze
        ? putOff(task, new Date(Math.max(now.getTime() + (delayMs ?? 0), until?.getTime() ?? 0)))
        : due(task)),
      attempts: attempt - 1,
      // It was started in time.
      ...(handleOf(task).stored.startBy && { startBy: undefined }),
    },
  });

  return settle(task, 'release', sessionOption(options), change, true);
}

function checkSnooze(delayMs: unknown, until: unknown): void {
  if (delayMs !== undefined && until !== undefined)
    throw new InvalidOptionError('Expected `delayMs` or `until`, got both. Write one of them.');
  if (delayMs !== undefined)
    requireInteger('delayMs', delayMs, 0, MAX_DELAY_MS, 'milliseconds', '`release({ delayMs: 60_000 })`');
  if (until !== undefined) requireDate('until', until, "`release({ until: new Date('2030-01-01T00:00:00Z') })`");
}

function putOff(task: AnyDocument, dueAt: Date): Change['task'] {
  return { availableAt: dueAt, dueAt, ...keptFrom(task, dueAt), ...keptSlot(task) };
}

/** Moves the start of the expiry to the new due time. A task without expiry gets none. */
function keptFrom(task: AnyDocument, dueAt: Date): Change['task'] {
  const { expiresFrom } = handleOf(task).stored;

  return expiresFrom && expiresFrom < dueAt ? { expiresFrom: dueAt } : {};
}

function sessionOption(options: SettleOptions): SettleOptions {
  return Object.hasOwn(options, 'session') ? { session: options.session } : {};
}
