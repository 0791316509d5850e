import { setTimeout as sleep } from 'node:timers/promises';
import { definitionOf, modelOf, type AnyDocument } from '../definition';
import { LeaseLostError, TaskQueueError, UnrecoverableError } from '../errors';
import { State } from '../fields';
import { failures, handleOf, lease, shareHandle } from '../handle';
import { fail, finish, release, retry } from '../settle';
import { isNetworkError } from '../transient';
import type { InHand } from './hands';
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

/** Runs the handler on a task and settles it. Throws only what concerns the worker, not the task. */
export async function perform(held: InHand, options: ResolvedWorkerOptions): Promise<Outcome> {
  const { task, abort } = held;
  const limit = options.timeoutMs === false ? null : startLimit(abort, options.timeoutMs, task);
  try {
    await unlessAborted(() => options.handler(task, { signal: abort.signal }), abort.signal);
  } catch (error) {
    return await settleFailed(task, error);
  } finally {
    clearTimeout(limit ?? undefined);
  }

  return settleFinished(task);
}

async function settleFinished(task: AnyDocument): Promise<Outcome> {
  // The handler settled the task itself.
  if (!lease(task)) return outcomeOf(task, undefined);

  return settled(task, () => finish(task));
}

async function settleFailed(task: AnyDocument, error: unknown): Promise<Outcome> {
  if (error instanceof LeaseLostError) return { name: 'lost', error };
  if (!lease(task)) return outcomeOf(task, error);
  if (error instanceof StoppedError) return settled(task, () => release(task), { name: 'released' });

  return settled(task, () => (isUnrecoverable(error) ? fail(task, error) : retry(task, { error })), undefined, error);
}

// A lost lease, or a task that was deleted meanwhile, is no failure of the handler.
async function settled(
  task: AnyDocument,
  settle: () => Promise<unknown>,
  outcome?: Outcome,
  reason?: unknown,
): Promise<Outcome> {
  try {
    await whileHeld(task, settle);
    return outcome ?? outcomeOf(task, reason);
  } catch (error) {
    if (error instanceof TaskQueueError) return { name: 'lost', error };
    // The document cannot be saved as the handler left it: that makes the attempt fail, if it has not failed already.
    if (isValidation(error)) return settleInvalid(task, reason ?? error);
    throw error;
  }
}

// Settled by a document without the changes, which holds the same lease.
async function settleInvalid(task: AnyDocument, error: unknown): Promise<Outcome> {
  const model = modelOf(task);
  const { state } = definitionOf(model).options.fields;
  const unchanged = model.hydrate({ _id: task._id, [state]: State.RUNNING }) as AnyDocument;
  shareHandle(task, unchanged);
  const outcome = await settled(unchanged, () => retry(unchanged, { error }), undefined, error);

  task.set(state, unchanged.get(state));
  task.unmarkModified(state);
  return outcome;
}

/** A settle that does not get through is sent again for as long as the lease lasts: every settle recognises its own repeat. */
async function whileHeld(task: AnyDocument, settle: () => Promise<unknown>): Promise<void> {
  const deadline = performance.now() + definitionOf(modelOf(task)).options.leaseMs;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, MAX_WAIT_MS)) {
    try {
      await settle();
      return;
    } catch (error) {
      if (!isOutOfReach(error) || performance.now() + waitMs > deadline) throw error;
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

function startLimit(abort: AbortController, timeoutMs: number, task: AnyDocument): NodeJS.Timeout {
  const message = `The handler of ${modelOf(task).modelName} ${String(task._id)} took longer than ${timeoutMs} ms.`;

  return setTimeout(() => abort.abort(new DOMException(message, 'TimeoutError')), timeoutMs);
}

// A handler that does not look at its signal must not keep the slot: its task is settled without it.
function unlessAborted(run: () => unknown, signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    Promise.resolve().then(run).then(resolve, reject);
  });
}

function isUnrecoverable(error: unknown): boolean {
  return error instanceof UnrecoverableError || (error instanceof Error && error.name === 'UnrecoverableError');
}

function isValidation(error: unknown): boolean {
  return error instanceof Error && error.name === 'ValidationError';
}

function isOutOfReach(error: unknown): boolean {
  return isNetworkError(error) || (error instanceof Error && error.name === 'MongoServerSelectionError');
}
