import { setTimeout as sleep } from 'node:timers/promises';
import { Types } from 'mongoose';
import { definitionOf, modelOf, type AnyDocument } from '../definition';
import { LeaseLostError, TaskStateError, UnrecoverableError } from '../errors';
import { State } from '../fields';
import { failures, handleOf, lease, shareHandle } from '../handle';
import { fail, finish, release, retry } from '../settle/settle';
import { isNetworkError } from '../transient';
import { setQuietly } from '../settle/write';
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

/**
 * Runs the handler on a task and settles it; once `abandoned` is aborted, it does not wait for a database that is out of reach.
 * Throws only what concerns the worker, not the task.
 */
export async function perform(held: Held, options: ResolvedWorkerOptions, abandoned: AbortSignal): Promise<Outcome> {
  const { task } = held;
  const limit = options.timeoutMs === false ? null : startLimit(held, options.timeoutMs);
  try {
    await unlessAborted(() => options.handler(task, held.context), held);
  } catch (error) {
    const isAborted = held.aborted !== null && error === held.aborted.reason;
    return await (isAborted ? settleAborted(task, error, abandoned) : settleFailed(task, error, abandoned));
  } finally {
    clearTimeout(limit ?? undefined);
  }

  return settle(task, abandoned, undefined, () => finish(task)).catch(onUnsaved(task, undefined, abandoned));
}

function settleFailed(task: AnyDocument, reason: unknown, abandoned: AbortSignal): Promise<Outcome> {
  return settle(task, abandoned, reason, () => failOrRetry(task, reason)).catch(onUnsaved(task, reason, abandoned));
}

// The document cannot be saved as the handler left it: that makes the attempt fail, if it has not failed already.
function onUnsaved(task: AnyDocument, reason: unknown, abandoned: AbortSignal): (error: unknown) => Promise<Outcome> {
  return (error) => {
    if (isOutOfReach(error) || !isOfChanges(task, error)) throw error;

    const failure = reason ?? error;
    return withoutChanges(task, (unchanged) =>
      settle(unchanged, abandoned, failure, () => failOrRetry(unchanged, failure)),
    );
  };
}

/** The handler may go on nevertheless, so its half-done changes are left out, and all it does with the task is refused. */
async function settleAborted(task: AnyDocument, reason: unknown, abandoned: AbortSignal): Promise<Outcome> {
  if (reason instanceof LeaseLostError) return { name: 'lost', error: reason };

  const held = lease(task);
  const isStopped = reason instanceof StoppedError;
  const outcome = await withoutChanges(task, (unchanged) =>
    settle(unchanged, abandoned, reason, () => (isStopped ? release(unchanged) : retry(unchanged, { error: reason }))),
  );
  // By a token that no task has: with its own, what the handler tries could be taken for the worker's settle, sent again.
  handleOf(task).lease = held && { ...held, token: new Types.ObjectId().toHexString() };
  return outcome;
}

function failOrRetry(task: AnyDocument, error: unknown): Promise<unknown> {
  return isUnrecoverable(error) ? fail(task, error) : retry(task, { error });
}

async function settle(
  task: AnyDocument,
  abandoned: AbortSignal,
  reason: unknown,
  write: () => Promise<unknown>,
): Promise<Outcome> {
  try {
    // Without a lease the handler settled the task itself.
    if (lease(task)) await whileHeld(task, abandoned, write);
  } catch (error) {
    const isRefused = error instanceof LeaseLostError || error instanceof TaskStateError;
    if (!isRefused) throw error;
    // A lost lease, or a task that was deleted meanwhile, is no failure of the handler.
    if (lease(task)) return { name: 'lost', error };
  }

  return outcomeOf(task, reason);
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

/** A settle that does not get through is sent again for as long as the lease lasts: every settle recognises its own repeat. */
async function whileHeld(task: AnyDocument, abandoned: AbortSignal, write: () => Promise<unknown>): Promise<void> {
  const deadline = performance.now() + definitionOf(modelOf(task)).options.leaseMs;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, MAX_WAIT_MS)) {
    try {
      await write();
      return;
    } catch (error) {
      if (!isOutOfReach(error) || abandoned.aborted || performance.now() + waitMs > deadline) throw error;
    }
    await sleep(waitMs * (0.5 + Math.random()));
  }
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

// A handler that does not look at its signal must not keep the slot: its task is settled without it.
function unlessAborted(run: () => unknown, held: Held): Promise<unknown> {
  return new Promise((resolve, reject) => {
    held.onAbort(reject);
    Promise.resolve().then(run).then(resolve, reject);
  });
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
