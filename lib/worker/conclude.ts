import { Types } from 'mongoose';
import { type AnyDocument, definitionOf, modelOf } from '../definition/definition';
import { LeaseLostError, TaskCancelledError, TaskStateError, UnrecoverableError } from '../errors';
import { State } from '../fields';
import { isUncertain } from '../server/transient';
import { setQuietly } from '../settle/stage-changes';
import { failThrown, finish, release, retryAnyhow } from '../settle/verbs';
import { handleOf, lease, shareHandle } from '../task/handle';
import { monotonic, sleep } from '../timers';
import { safely, textOf } from '../values/describe';
import type { HeldTask } from './held-task';
import { GRACE_MS } from './limits';
import { asCancelled, earlierOutcome, type Outcome, outcomeOf } from './outcome';
import type { Thrown } from './perform';

/** The reason of an abort after which the worker gives the task back without charging an attempt. */
export class StoppedError extends Error {
  override name = 'AbortError';
}

/** How long to wait before a settle is sent again while the database is out of reach, in milliseconds; the wait doubles. */
const FIRST_WAIT_MS = 100;
const MAX_WAIT_MS = 700;

/** Called with an error that is not the task's, for example of the model's backoff. */
type Tell = (error: unknown) => void;

/**
 * Settles a task by how its handler ended. Once `abandoned` is aborted, it does not wait for a database that is out of reach. Rejects
 * only with errors that are not the task's; an error of the model's backoff goes to `tell`.
 */
export async function conclude(
  held: HeldTask,
  thrown: Thrown | null,
  abandoned: AbortSignal,
  tell: Tell,
): Promise<Outcome> {
  try {
    if (held.aborted) throw held.aborted.reason;
    const verb = thrown ? failOrRetryWith(tell) : end;
    return asCancelled(held, await held.unlessAborted(settle(held.task, abandoned, thrown?.reason, verb)));
  } catch (error) {
    return asCancelled(held, await concludeOtherwise(held, error, thrown?.reason, abandoned, tell));
  }
}

async function concludeOtherwise(
  held: HeldTask,
  error: unknown,
  thrown: unknown,
  abandoned: AbortSignal,
  tell: Tell,
): Promise<Outcome> {
  if (isAbort(held, error)) return concludeAborted(held, error, thrown, abandoned, tell);
  if (isToBeRepeated(error) || !isOfChanges(held.task, error)) throw error;

  // The document cannot be saved as the handler left it: that makes the attempt fail, if it has not failed already.
  return concludeUnchanged(held, thrown ?? error, abandoned, tell);
}

async function concludeUnchanged(
  held: HeldTask,
  reason: unknown,
  abandoned: AbortSignal,
  tell: Tell,
): Promise<Outcome> {
  const { task } = held;
  const settling = withoutChanges(task, (unchanged) => {
    shareHandle(task, unchanged);
    return settle(unchanged, abandoned, reason, failOrRetryWith(tell));
  });
  try {
    return await held.unlessAborted(settling);
  } catch (error) {
    if (isAbort(held, error)) return concludeAborted(held, error, reason, abandoned, tell);
    throw error;
  }
}

function isAbort({ aborted }: HeldTask, error: unknown): boolean {
  return aborted !== null && error === aborted.reason;
}

/** Settles an aborted task. The handler may still run, so its half-done changes are left out. `thrown` is what it threw, if it did. */
async function concludeAborted(
  { task, withdrawn }: HeldTask,
  reason: unknown,
  thrown: unknown,
  abandoned: AbortSignal,
  tell: Tell,
): Promise<Outcome> {
  if (reason instanceof LeaseLostError) return { name: 'lost', error: reason };
  if (withdrawn?.settling) await Promise.race([withdrawn.settling.ended.catch(() => {}), sleep(GRACE_MS)]);
  // An earlier settle came first.
  if (!withdrawn || !lease(task)) return outcomeOf(task, thrown);

  const isNoFailure = reason instanceof StoppedError || reason instanceof TaskCancelledError;
  const verb = isNoFailure ? giveBack : retryWith(tell);
  return withoutChanges(task, async (unchanged) => {
    // With a token of its own: neither the worker nor the handler takes the other's settle for a repeat of its own.
    const { lease, stored } = withdrawn;
    Object.assign(handleOf(unchanged), { lease, stored, settledWith: new Types.ObjectId() });
    const outcome = await settle(unchanged, abandoned, reason, verb);
    handleOf(task).stored = handleOf(unchanged).stored;
    return earlierOutcome(withdrawn, outcome, thrown) ?? outcome;
  });
}

const end = (task: AnyDocument) => finish(task);

const giveBack = (task: AnyDocument) => release(task);

const failOrRetryWith = (tell: Tell) => (task: AnyDocument, error: unknown) =>
  (isUnrecoverable(error) ? failThrown : retryWith(tell))(task, error);

const retryWith = (tell: Tell) => (task: AnyDocument, error: unknown) => retryAnyhow(task, error, tell);

/** Sends a settle, again and again until it gets through or the lease has ended: every settle recognises its own repeat. */
async function settle(
  task: AnyDocument,
  abandoned: AbortSignal,
  reason: unknown,
  verb: (task: AnyDocument, reason: unknown) => Promise<unknown>,
): Promise<Outcome> {
  let deadline = Infinity;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, MAX_WAIT_MS)) {
    try {
      // A task without a lease was settled by its handler.
      if (lease(task)) await verb(task, reason);
      return outcomeOf(task, reason);
    } catch (error) {
      const isRefused = safely(() => error instanceof LeaseLostError || error instanceof TaskStateError);
      // A lost lease, or a task that was deleted meanwhile, is no failure of the handler.
      if (isRefused) return lease(task) ? { name: 'lost', error } : outcomeOf(task, reason);
      if (!lease(task)) return { ...outcomeOf(task, reason), hookError: { error } };
      // Only now, because a settle that gets through at once needs no clock.
      if (deadline === Infinity) deadline = monotonic() + definitionOf(modelOf(task)).options.leaseMs;
      if (!isToBeRepeated(error) || abandoned.aborted || monotonic() + waitMs > deadline) throw error;
    }
    await sleep(waitMs * (0.5 + Math.random()));
  }
}

/** Settles a task by a second document of it, which has none of the handler's changes. */
async function withoutChanges(
  task: AnyDocument,
  settleIt: (unchanged: AnyDocument) => Promise<Outcome>,
): Promise<Outcome> {
  const model = modelOf(task);
  const { state } = definitionOf(model).options.fields;
  const unchanged = model.hydrate({ _id: task._id, [state]: task.get(state) as State }) as AnyDocument;
  const outcome = await settleIt(unchanged);

  setQuietly(task, state, unchanged.get(state));
  return outcome;
}

// Whether the handler's changes caused the error. Without changes nothing is saved; a write concern error comes after the save.
function isOfChanges(task: AnyDocument, error: unknown): boolean {
  const name = textOf(error, 'name');

  return name === 'ValidationError' || (task.isModified() && name !== 'MongoWriteConcernError');
}

function isUnrecoverable(error: unknown): boolean {
  return isError(error) && (error instanceof UnrecoverableError || textOf(error, 'name') === 'UnrecoverableError');
}

// A settle whose write concern was not met in time may be repeated: its token tells whether it was written.
function isToBeRepeated(error: unknown): boolean {
  return isError(error) && isUncertain(error);
}

function isError(error: unknown): boolean {
  return safely(() => error instanceof Error) ?? false;
}
