import { Types } from 'mongoose';
import { definitionOf, modelOf, type AnyDocument } from '../definition';
import { LeaseLostError, TaskStateError, UnrecoverableError } from '../errors';
import { State } from '../fields';
import { failures, handleOf, lease, shareHandle } from '../handle';
import { noteInHand } from '../settle/in-hand';
import { fail, finish, release, retry } from '../settle/settle';
import { clearTimeout, monotonic, setTimeout, sleep } from '../timers';
import { isNetworkError } from '../transient';
import { setQuietly } from '../settle/write';
import { contextOf } from './context';
import type { Held } from './held';
import type { ResolvedWorkerOptions } from './options';

/** How a task left the worker's hands, with what it failed with. */
export type Outcome =
  | { readonly name: 'finished' | 'released'; readonly error?: undefined }
  | { readonly name: 'retried' | 'failed' | 'lost'; readonly error: unknown };

/** The reason of an abort by which the worker gives a task back without an attempt being charged. */
export class StoppedError extends Error {
  override name = 'AbortError';
}

/** How long a settle is tried again while the database is out of reach, at first, in milliseconds. */
const FIRST_WAIT_MS = 100;
const MAX_WAIT_MS = 2_000;

/** What a handler threw, or why it is not waited for. */
export interface Thrown {
  readonly reason: unknown;
}

/** Runs the handler until it has ended, or its task is to be left alone. Null when it came to its end. */
export async function perform(held: Held, { handler, timeoutMs }: ResolvedWorkerOptions): Promise<Thrown | null> {
  const limit = timeoutMs === false ? null : startLimit(held, timeoutMs);
  noteInHand(held.task);
  try {
    const running: unknown = handler(held.task, contextOf(held));
    // A handler that does not look at its signal must not keep the slot: its task is settled without it.
    if (isThenable(running)) await held.unlessAborted(running);
    else if (held.aborted) throw held.aborted.reason;
    return null;
  } catch (reason) {
    return { reason };
  } finally {
    clearTimeout(limit ?? undefined);
  }
}

/**
 * Settles a task by how its handler ended; once `abandoned` is aborted, it does not wait for a database that is out of reach. Throws
 * only what concerns the worker, not the task.
 */
export async function conclude(
  { task, aborted }: Held,
  thrown: Thrown | null,
  abandoned: AbortSignal,
): Promise<Outcome> {
  const reason = thrown?.reason;
  if (thrown && aborted && reason === aborted.reason) return settleAborted(task, reason, abandoned);
  try {
    return await settle(task, abandoned, reason, thrown ? failOrRetry : end);
  } catch (error) {
    if (isOutOfReach(error) || !isOfChanges(task, error)) throw error;

    // The document cannot be saved as the handler left it: that makes the attempt fail, if it has not failed already.
    return withoutChanges(task, (unchanged) => settle(unchanged, abandoned, reason ?? error, failOrRetry));
  }
}

/** The handler may go on nevertheless, so its half-done changes are left out, and all it does with the task is refused. */
async function settleAborted(task: AnyDocument, reason: unknown, abandoned: AbortSignal): Promise<Outcome> {
  if (reason instanceof LeaseLostError) return { name: 'lost', error: reason };

  const held = lease(task);
  const isStopped = reason instanceof StoppedError;
  const verb = isStopped ? giveBack : retryWith;
  const outcome = await withoutChanges(task, (unchanged) => settle(unchanged, abandoned, reason, verb));
  // By a token that no task has: with its own, what the handler tries could be taken for the worker's settle, sent again.
  handleOf(task).lease = held && { ...held, token: new Types.ObjectId().toHexString() };
  return outcome;
}

const end = (task: AnyDocument) => finish(task);

const giveBack = (task: AnyDocument) => release(task);

const retryWith = (task: AnyDocument, error: unknown) => retry(task, { error });

const failOrRetry = (task: AnyDocument, error: unknown) => (isUnrecoverable(error) ? fail : retryWith)(task, error);

/** A settle that does not get through is sent again for as long as the lease lasts: every settle recognises its own repeat. */
async function settle(
  task: AnyDocument,
  abandoned: AbortSignal,
  reason: unknown,
  verb: (task: AnyDocument, reason: unknown) => Promise<unknown>,
): Promise<Outcome> {
  const deadline = monotonic() + definitionOf(modelOf(task)).options.leaseMs;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, MAX_WAIT_MS)) {
    try {
      // Without a lease the handler settled the task itself.
      if (lease(task)) await verb(task, reason);
      return outcomeOf(task, reason);
    } catch (error) {
      const isRefused = error instanceof LeaseLostError || error instanceof TaskStateError;
      // A lost lease, or a task that was deleted meanwhile, is no failure of the handler.
      if (isRefused) return lease(task) ? { name: 'lost', error } : outcomeOf(task, reason);
      if (!isOutOfReach(error) || abandoned.aborted || monotonic() + waitMs > deadline) throw error;
    }
    await sleep(waitMs * (0.5 + Math.random()));
  }
}

/** Settles by a document of the same task and lease that has none of the handler's changes. */
async function withoutChanges(
  task: AnyDocument,
  settleIt: (unchanged: AnyDocument) => Promise<Outcome>,
): Promise<Outcome> {
  const model = modelOf(task);
  const { state } = definitionOf(model).options.fields;
  const unchanged = model.hydrate({ _id: task._id, [state]: task.get(state) as State }) as AnyDocument;
  shareHandle(task, unchanged);
  const outcome = await settleIt(unchanged);

  setQuietly(task, state, unchanged.get(state));
  return outcome;
}

function outcomeOf(task: AnyDocument, error: unknown): Outcome {
  const { settledAs } = handleOf(task);
  if (settledAs === 'finish') return { name: 'finished' };
  if (settledAs === 'release') return { name: 'released' };

  return { name: settledAs === 'fail' ? 'failed' : 'retried', error: error ?? failures(task).at(-1) };
}

function startLimit(held: Held, timeoutMs: number): NodeJS.Timeout {
  const { task } = held;
  const message = `The handler of ${modelOf(task).modelName} ${String(task._id)} took longer than ${timeoutMs} ms.`;

  return setTimeout(() => held.abort(new DOMException(message, 'TimeoutError')), timeoutMs);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}

// Without changes no save takes place, and after a write concern error it has.
function isOfChanges(task: AnyDocument, error: unknown): boolean {
  const { name } = error as Error;

  return name === 'ValidationError' || (task.isModified() && name !== 'MongoWriteConcernError');
}

function isUnrecoverable(error: unknown): boolean {
  return error instanceof UnrecoverableError || (error instanceof Error && error.name === 'UnrecoverableError');
}

function isOutOfReach(error: unknown): boolean {
  return isNetworkError(error) || (error instanceof Error && error.name === 'MongoServerSelectionError');
}
