import { isDeepStrictEqual } from 'node:util';
import { Types, type ClientSession } from 'mongoose';
import { announce } from '../notify/arrivals';
import { announceAt } from '../notify/due';
import { defaultBackoff, MAX_DELAY_MS, waitAfter } from '../backoff';
import { refuseUnknown, requireInteger } from '../values/check';
import { serverNow } from '../server/clock';
import { definitionOf, modelOf, type AnyDocument, type Filter } from '../definition/definition';
import { TaskStateError } from '../errors';
import { State } from '../fields';
import { failed } from './failure';
import { handleOf, LEASE_ENDED, type Handle } from '../task/handle';
import { holdFilter, requireHold } from './hold';
import { keptSlot, nextSlot } from './recurring';
import { requireSchedule } from '../task/stored-schedule';
import { readStoredState, refusal, type StoredState } from './refusal';
import { keepForUndo } from './snapshot';
import { requireSettings } from '../definition/settings';
import { trace } from '../task/trace';
import { sessionOf, whenCommitted } from '../definition/transaction';
import { recognise, throwHookError, writeIf, type Change } from './write';

/** How often a settle is tried while the schedule of its task changes. */
const TRIES = 10;

export interface SettleOptions {
  /** A session, to settle in its transaction. */
  session?: ClientSession | null | undefined;
}

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

/** The words of the API, as they stand in the log. */
const PAST = { finish: 'finished', fail: 'failed', retry: 'retried', release: 'released' } as const;

function settle<D extends AnyDocument>(
  task: D,
  verb: keyof typeof PAST,
  options: SettleOptions,
  changeAt: (now: Date) => Change,
): Promise<D> {
  // What is no document is refused by the settle itself.
  const handle = (task as unknown) !== null && typeof task === 'object' ? handleOf(task) : null;
  if (handle) handle.settlesBegun++;
  const ended = settleOnce(task, verb, options, changeAt, handle);
  if (handle) handle.settling = { verb, ended };

  return ended;
}

// One write decides. A handle with a lease must still hold it; one without may settle a task that nobody holds.
async function settleOnce<D extends AnyDocument>(
  task: D,
  verb: keyof typeof PAST,
  options: SettleOptions,
  changeAt: (now: Date) => Change,
  counted: Handle | null,
): Promise<D> {
  try {
    refuseUnknown(options, ['session'], `${verb}()`);
    const {
      model,
      options: { fields },
    } = definitionOf(modelOf(task));
    const handle = handleOf(task);
    const now = await serverNow(model);
    requireSettings(model);
    if (task.isNew)
      throw new TaskStateError(
        `Expected ${model.modelName} ${String(task._id)} to be in the queue, but it was never stored. Call \`push()\` first.`,
        task._id,
        null,
      );

    const session = sessionOf(model, options);
    keepForUndo(session, task);
    const token = handle.settledWith ?? new Types.ObjectId(handle.lease?.token);
    const filter = handle.lease ? holdFilter(task) : { [fields.state]: State.CREATED };
    // Kept before it is sent: when the answer is lost, the caller's next try is recognised by it.
    handle.settledWith = token;
    const endAt = () => signed(changeAt(now), token);
    let written = nextSlot(task, endAt());
    const isAsStored = { ...filter, ...requireSchedule(handle.stored.schedule ?? null) };
    if (!(await writeIf(task, isAsStored, written, session)))
      written = await writeBySchedule(task, verb, filter, endAt, written, session);

    handle.lease = null;
    handle.settledAs = verb;
    trace(PAST[verb], task);
    // What was put back may be due later; the end of a task may release others at once.
    const { availableAt } = written.task;
    const isPutOff = availableAt && written.state === State.CREATED && verb !== 'release';
    whenCommitted(session, () => (isPutOff ? announceAt(model, availableAt, now) : announce(model)));
    throwHookError(task);
    return task;
  } finally {
    if (counted) counted.settlesEnded++;
  }
}

/** A change that says who made it, so that it is recognised when it is sent again. */
function signed(change: Change, token: Types.ObjectId): Signed {
  return { state: change.state, task: { ...change.task, token } };
}

type Signed = Change & { readonly task: { readonly token: Types.ObjectId } };

/**
 * Writes what becomes of a task by the schedule it has now: it may have been pushed with one, with another, or unscheduled, since
 * this handle read it, so that `change` did not match. Or the answer of an earlier, identical settle was lost, or the task is not ours to
 * settle.
 */
async function writeBySchedule(
  task: AnyDocument,
  verb: string,
  filter: Filter,
  endAt: () => Signed,
  change: Signed,
  session: ClientSession | null,
): Promise<Signed> {
  const handle = handleOf(task);
  let stored: unknown = handle.stored.schedule ?? null;
  for (let tries = 1; ; tries++) {
    const found = await readStoredState(task, session);
    if (isOwn(found, change)) {
      // In a transaction it is of an earlier one, which was committed: what else this one writes would be written twice.
      if (handle.lease && session?.inTransaction()) throw refusal(task, verb, found);
      await recognise(task, change, session);
      return change;
    }
    if (!found || tries === TRIES || isDeepStrictEqual(found.schedule, stored)) throw refusal(task, verb, found);
    stored = found.schedule;
    handle.stored = { ...handle.stored, ...found.recurrence };
    change = nextSlot(task, endAt());
    if (await writeIf(task, { ...filter, ...requireSchedule(stored) }, change, session)) return change;
  }
}

function isOwn(found: StoredState | null, { state, task }: Signed): boolean {
  return found !== null && found.state === state && (found.token?.equals(task.token) ?? false);
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
