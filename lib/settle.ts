import { inspect } from 'node:util';
import { isNativeError } from 'node:util/types';
import { Types, type ClientSession } from 'mongoose';
import { announce } from './arrivals';
import type { Backoff } from './backoff';
import { refuseUnknown, requireInteger, wrongValue } from './check';
import { serverNow } from './clock';
import { collectionOf, definitionOf, modelOf, type AnyDocument, type Filter } from './definition';
import { TaskStateError } from './errors';
import { State } from './fields';
import { handleOf, MAX_FAILURES, type Lease, type TaskFailure } from './handle';
import { remember } from './memory';
import { requireLease } from './options';
import { readStanding, refusal } from './refusal';
import { waitAfterLease } from './takeover';
import { sessionOf, whenSettled } from './transaction';
import { persistently } from './transient';
import { recognise, writeIf, type Change } from './write';

export interface SettleOptions {
  /** A session, to settle in its transaction. */
  session?: ClientSession | null | undefined;
}

export interface RetryOptions extends SettleOptions {
  /** How long the task waits, in milliseconds. Default: the plugin's `backoff`. */
  delayMs?: number | undefined;

  /** Why this attempt failed; kept in `task.failures`. Default: none. */
  error?: unknown;
}

const MAX_MESSAGE_LENGTH = 2_000;
const MAX_STACK_LENGTH = 8_000;
const MAX_DELAY_MS = 100 * 366 * 86_400_000;

/** See `TaskMethods.finish`. */
export async function finish<D extends AnyDocument>(task: D, options: SettleOptions = {}): Promise<D> {
  refuseUnknown(options, ['session'], 'finish()');
  const settledAt = await serverNow(definitionOf(modelOf(task)).model);

  return settle(task, 'finish', { state: State.FINISHED, task: { ...due(task), settledAt } }, options);
}

/** See `TaskMethods.fail`. */
export async function fail<D extends AnyDocument>(task: D, error?: unknown, options: SettleOptions = {}): Promise<D> {
  refuseUnknown(options, ['session'], 'fail()');
  const settledAt = await serverNow(definitionOf(modelOf(task)).model);

  return settle(
    task,
    'fail',
    { state: State.FAILED, task: { ...due(task), settledAt, ...failed(task, error, settledAt) } },
    options,
  );
}

/** See `TaskMethods.retry`. */
export async function retry<D extends AnyDocument>(task: D, options: RetryOptions = {}): Promise<D> {
  refuseUnknown(options, ['delayMs', 'error', 'session'], 'retry()');
  const { delayMs, error } = options;
  if (delayMs !== undefined)
    requireInteger('delayMs', delayMs, 0, MAX_DELAY_MS, 'milliseconds', '`retry({ delayMs: 60_000 })`');
  const { maxAttempts, backoff } = definitionOf(modelOf(task)).options;
  const { attempt } = requireHold(task, 'retry');
  if (attempt >= maxAttempts) return fail(task, error, sessionOption(options));

  const now = await serverNow(modelOf(task));
  const dueAt = new Date(now.getTime() + (delayMs ?? waitAfter(attempt, backoff)));
  return settle(
    task,
    'retry',
    { state: State.CREATED, task: { availableAt: dueAt, dueAt, ...failed(task, error, now) } },
    options,
  );
}

/** See `TaskMethods.release`. */
export async function release<D extends AnyDocument>(task: D, options: SettleOptions = {}): Promise<D> {
  refuseUnknown(options, ['session'], 'release()');
  const { attempt } = requireHold(task, 'release');

  return settle(task, 'release', { state: State.CREATED, task: { ...due(task), attempts: attempt - 1 } }, options);
}

/** See `TaskMethods.renew`. */
export async function renew(task: AnyDocument, leaseMs?: number): Promise<Lease> {
  const { model, options, writeConcern } = definitionOf(modelOf(task));
  const length = leaseMs ?? options.leaseMs;
  requireLease(length);
  const { attempt } = requireHold(task, 'renew');
  const waitMs = waitAfterLease(attempt, options);
  const renewed = await persistently(() =>
    collectionOf(model).findOneAndUpdate(
      { _id: task._id, ...holdFilter(task) },
      [{ $set: { '_task.availableAt': { $add: ['$$NOW', length + waitMs] } } }],
      { projection: { '_task.availableAt': 1 }, returnDocument: 'after', ...writeConcern },
    ),
  );
  if (!renewed) throw refusal(task, 'renew', await readStanding(task, null));

  const { availableAt } = renewed['_task'] as { availableAt: Date };
  const handle = handleOf(task);
  handle.stored = { ...handle.stored, availableAt };
  // Settled while the renewal was on its way: then there is no lease to note it in.
  const renewedLease = { ...handle.lease!, until: new Date(availableAt.getTime() - waitMs) };
  if (handle.lease) handle.lease = renewedLease;
  return renewedLease;
}

/** The filter that lets only the holder of the task's lease write. */
export function holdFilter(task: AnyDocument): Filter {
  const { state } = definitionOf(modelOf(task)).options.fields;
  const { lease } = handleOf(task);

  return { [state]: State.RUNNING, '_task.token': new Types.ObjectId(lease!.token) };
}

// One write decides. A handle with a lease must still hold it; one without may settle a task that nobody holds.
async function settle<D extends AnyDocument>(
  task: D,
  verb: string,
  change: Change,
  options: SettleOptions,
): Promise<D> {
  const model = modelOf(task);
  const handle = handleOf(task);
  if (task.isNew)
    throw new TaskStateError(
      `Expected ${model.modelName} ${String(task._id)} to be in the queue, but it was never stored. Call \`push()\` first.`,
      task._id,
      null,
    );

  const session = sessionOf(model, options);
  const undo = session ? remember(task) : () => {};
  const token = handle.lease ? new Types.ObjectId(handle.lease.token) : (handle.settledWith ?? new Types.ObjectId());
  const filter = handle.lease ? holdFilter(task) : { [definitionOf(model).options.fields.state]: State.CREATED };
  // Kept before it is sent: when the answer is lost, the caller's next try is recognised by it.
  handle.settledWith = token;
  const signed = { ...change, task: { ...change.task, token } };
  if (!(await writeIf(task, filter, signed, session))) {
    await requireSettled(task, verb, token, change.state, session);
    await recognise(task, signed, session);
  }

  handle.lease = null;
  whenSettled(session, () => announce(model), undo);
  return task;
}

// Not matched: either the answer of an earlier, identical settle was lost, or the task is not ours to settle.
async function requireSettled(
  task: AnyDocument,
  verb: string,
  token: Types.ObjectId,
  state: State,
  session: ClientSession | null,
): Promise<void> {
  const found = await readStanding(task, session);
  if (found && found.state === state && found.token?.equals(token)) return;

  throw refusal(task, verb, found);
}

function requireHold(task: AnyDocument, verb: string): Lease {
  const { options } = definitionOf(modelOf(task));
  const { lease } = handleOf(task);
  if (lease) return lease;

  const state = task.get(options.fields.state) as string | null;
  throw new TaskStateError(
    `Expected ${modelOf(task).modelName} ${String(task._id)} to be held by this handle for \`${verb}()\`, but it was not popped, or was settled already.`,
    task._id,
    state,
  );
}

/** When the task is due by itself, so that one put back by a raw write is ready at once. */
function due(task: AnyDocument): Change['task'] {
  return { availableAt: handleOf(task).stored.dueAt, waitingOn: undefined, recheckAt: undefined };
}

function failed(task: AnyDocument, error: unknown, at: Date): Change['task'] {
  if (error === undefined) return {};
  const { stored } = handleOf(task);
  const failure = { ...describe(error), at, attempt: stored.attempts ?? 0 };

  return { errors: [...(stored.errors ?? []), failure].slice(-MAX_FAILURES) };
}

// Anything can be thrown, also by another realm; what it is must not keep the task from failing.
function describe(error: unknown): Pick<TaskFailure, 'message' | 'stack'> {
  const { message: text, stack } = isNativeError(error) || error instanceof Error ? error : { message: error };
  const message = (typeof text === 'string' ? text : inspect(text)).slice(0, MAX_MESSAGE_LENGTH);

  return typeof stack === 'string' ? { message, stack: stack.slice(0, MAX_STACK_LENGTH) } : { message };
}

function waitAfter(attempt: number, backoff: Backoff): number {
  const wait: unknown = backoff(attempt);
  if (typeof wait === 'number' && wait <= MAX_DELAY_MS) return Math.max(0, Math.floor(wait));
  throw wrongValue('backoff', 'a function that returns milliseconds', wait, '`backoff: (attempt) => attempt * 1_000`');
}

function sessionOption(options: SettleOptions): SettleOptions {
  return Object.hasOwn(options, 'session') ? { session: options.session } : {};
}
