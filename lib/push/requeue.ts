import { type ClientSession, Types } from 'mongoose';
import { type AnyDocument, definitionOf, isAdded, modelOf } from '../definition/definition';
import { LeaseLostError, TaskStateError } from '../errors';
import { Priority, State } from '../fields';
import type { Change } from '../settle/change';
import { readStoredState, refusal } from '../settle/refusal';
import { throwHookError } from '../settle/save';
import { writeIf } from '../settle/write';
import { type Bookkeeping, handleOf } from '../task/handle';
import { requireSchedule, scheduleIn } from '../task/stored-schedule';
import { shownId } from '../values/id';
import { explainPush } from './input';

/** States from which a document enters the queue; null is a document stored before its model had the plugin. */
export const SETTLED = [State.PENDING, State.FINISHED, State.FAILED, State.CANCELLED, null];
const ENDS = new Set<string | null>([State.FINISHED, State.FAILED, State.CANCELLED]);
const TRIES = 3;

/**
 * Queues a document that is stored already. A PENDING, FINISHED or FAILED document becomes CREATED with attempts from 0; a CREATED
 * one keeps its place and is saved. `isMoved`: the caller asked for another due time.
 *
 * @throws {TaskStateError} when the task is RUNNING, or was deleted.
 * @throws {LeaseLostError} when this handle popped the task, and another one took it over, put it back or settled it.
 */
export async function requeue(
  document: AnyDocument,
  task: Bookkeeping,
  isMoved: boolean,
  session: ClientSession | null,
): Promise<AnyDocument> {
  const { fields } = definitionOf(modelOf(document)).options;
  const { lease } = handleOf(document);
  if (lease) await requireOwnEnd(document, session);
  const own = lease ? { '_task.token': new Types.ObjectId(lease.token) } : {};
  let state: unknown = lease ? State.FINISHED : document.get(fields.state);
  let schedule: unknown = handleOf(document).stored.schedule ?? null;
  for (const [path, value] of Object.entries(missingFields(document))) document.set(path, value);

  for (let tries = 0; tries < TRIES; tries++) {
    const isLive = state === State.CREATED;
    if (isLive && lease) throw lost(document);
    const filter = isLive
      ? { [fields.state]: State.CREATED, ...(isMoved && requireSchedule(schedule)) }
      : { [fields.state]: { $in: SETTLED }, ...own };
    const change = isLive
      ? moved(task, isMoved, scheduleIn(schedule) !== undefined)
      : renewed(task, handleOf(document).stored);
    if (await writeIf(document, filter, change, session).catch(explainPush(modelOf(document)))) {
      Object.assign(handleOf(document), { lease: null, settledWith: null });
      throwHookError(document);
      return document;
    }
    // The handle's state was outdated: the stored one decides.
    const found = await readStoredState(document, session);
    state = found && (found.state ?? State.PENDING);
    schedule = found?.schedule ?? null;
    if (state === State.RUNNING || state === null) break;
  }
  throw lease ? lost(document) : refused(document, state as string | null);
}

// A handle with a lease may push its task only if its own settle ended the task, and only the answer to that settle was lost.
async function requireOwnEnd(document: AnyDocument, session: ClientSession | null): Promise<void> {
  const found = await readStoredState(document, session);
  if (found && ENDS.has(found.state)) {
    if (found.token?.toHexString() !== handleOf(document).lease!.token) throw lost(document);
    return;
  }
  if (!found) throw refused(document, null);
  const error = refusal(document, 'push', found);
  throw error instanceof LeaseLostError ? error : refused(document, found.state);
}

export function renewed(task: Bookkeeping, { trace }: Bookkeeping): Change {
  const cleared = {
    key: undefined,
    attempts: undefined,
    startedAt: undefined,
    settledAt: undefined,
    startBy: undefined,
  };
  // A new token: what was read of an earlier push never matches this one.
  const named = { token: new Types.ObjectId(), cancel: undefined, aside: undefined };
  const unparked = { waitingOn: undefined, recheckAt: undefined, doomedBy: undefined };

  const unscheduled = { schedule: undefined, slot: undefined, lastRun: undefined };
  const unkeyed = { behind: undefined, throttledUntil: undefined, firstPushAt: undefined };
  const fresh = { progress: undefined, expiresFrom: undefined, errors: undefined, ...(trace && { trace: undefined }) };

  return {
    state: State.CREATED,
    task: { ...cleared, ...named, ...unparked, ...unscheduled, ...unkeyed, ...fresh, ...task },
  };
}

function moved(task: Bookkeeping, isMoved: boolean, recurs: boolean): Change {
  const { availableAt, dueAt, schedule, key, behind, throttledUntil, firstPushAt } = task;
  // A recurring task does not expire.
  const expiresFrom = recurs ? undefined : task.expiresFrom;
  const isLater = availableAt! > dueAt!;
  const times = isMoved || schedule || isLater ? { availableAt, dueAt, expiresFrom, slot: undefined } : {};

  const others = { schedule, key, behind, throttledUntil, firstPushAt };
  const given = Object.entries(others).filter(([, value]) => value !== undefined);

  return { state: State.CREATED, task: { ...times, ...Object.fromEntries(given) } };
}

/** What a document that was stored before its model had the plugin lacks: when it is pushed, it gets the defaults of a new one. */
export function missingFields(document: AnyDocument): Record<string, unknown> {
  const { fields } = definitionOf(modelOf(document)).options;
  const isOurs = isAdded(document.schema.path(fields.createdAt));

  return {
    ...(isMissing(document, fields.priority) && { [fields.priority]: Priority.MEDIUM }),
    ...(isOurs && isMissing(document, fields.createdAt) && { [fields.createdAt]: new Date() }),
  };
}

function isMissing(document: AnyDocument, path: string): boolean {
  return document.isSelected(path) && (document.get(path) ?? null) === null;
}

function refused(document: AnyDocument, state: string | null): TaskStateError {
  const name = nameOf(document);
  const message =
    state === State.RUNNING
      ? `Expected ${name} not to be RUNNING for \`push()\`. Who holds it can \`finish()\`, \`fail()\`, \`retry()\` or \`release()\` it.`
      : `Expected ${name} to be stored for \`push()\`, but it ${state === null ? 'was deleted' : `is ${state}`}. Push a new document.`;

  return new TaskStateError(message, document._id, state);
}

// The document's changes must not be saved with the attempt of another holder.
function lost(document: AnyDocument): LeaseLostError {
  return new LeaseLostError(
    `Expected ${nameOf(document)} not to be somebody else's for \`push()\` by who popped it: its lease was lost before it was settled. Leave it alone.`,
    document._id,
  );
}

function nameOf(document: AnyDocument): string {
  return `${modelOf(document).modelName} ${shownId(document._id)}`;
}
