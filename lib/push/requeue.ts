import type { ClientSession } from 'mongoose';
import { collectionOf, definitionOf, isAdded, modelOf, type AnyDocument } from '../definition';
import { LeaseLostError, TaskStateError } from '../errors';
import { Priority, State } from '../fields';
import { handleOf, type Bookkeeping } from '../handle';
import { explainPush } from './input';
import { NEWEST } from '../read';
import { writeIf, type Change } from '../settle/write';

/** States from which a document enters the queue; null stands for a document that was there before the plugin. */
const SETTLED = [State.PENDING, State.FINISHED, State.FAILED, null];
const TRIES = 3;

/**
 * Queues a document that is stored already. PENDING, FINISHED and FAILED become CREATED with attempts from 0; what is CREATED
 * keeps its place and is saved. `isMoved` says whether the caller asked for another due time.
 *
 * @throws {TaskStateError} when it is running, or was deleted.
 * @throws {LeaseLostError} when this handle popped it, and it was put back in the queue without it.
 */
export async function requeue(
  document: AnyDocument,
  task: Bookkeeping,
  isMoved: boolean,
  session: ClientSession | null,
): Promise<AnyDocument> {
  const { fields } = definitionOf(modelOf(document)).options;
  let state: unknown = document.get(fields.state);
  completeFields(document);

  for (let tries = 0; tries < TRIES; tries++) {
    const isLive = state === State.CREATED;
    if (isLive && handleOf(document).lease) throw lost(document);
    const filter = { [fields.state]: isLive ? State.CREATED : { $in: SETTLED } };
    const change = isLive ? moved(task, isMoved) : renewed(task);
    if (await writeIf(document, filter, change, session).catch(explainPush(modelOf(document)))) {
      Object.assign(handleOf(document), { lease: null, settledWith: null });
      return document;
    }
    // The handle's idea of the state was old: the database's decides.
    state = await readState(document, session);
    if (state === State.RUNNING || state === null) break;
  }
  throw refused(document, state as string | null);
}

function renewed(task: Bookkeeping): Change {
  const cleared = { key: undefined, attempts: undefined, token: undefined, startedAt: undefined, settledAt: undefined };
  const unparked = { waitingOn: undefined, recheckAt: undefined, doomedBy: undefined };

  const unscheduled = { schedule: undefined, slot: undefined, lastRun: undefined };
  const fresh = { progress: undefined, expiresFrom: undefined, errors: undefined };

  return { state: State.CREATED, task: { ...cleared, ...unparked, ...unscheduled, ...fresh, ...task } };
}

function moved({ availableAt, dueAt, expiresFrom, schedule, key }: Bookkeeping, isMoved: boolean): Change {
  const times = isMoved || schedule ? { availableAt, dueAt, expiresFrom, slot: undefined } : {};

  return { state: State.CREATED, task: { ...times, ...(schedule && { schedule }), ...(key !== undefined && { key }) } };
}

// A document that was there before the plugin gets at its push what new ones get when they are made.
function completeFields(document: AnyDocument): void {
  const { fields } = definitionOf(modelOf(document)).options;
  if (isMissing(document, fields.priority)) document.set(fields.priority, Priority.MEDIUM);
  if (isMissing(document, fields.createdAt) && isAdded(document.schema.path(fields.createdAt))) {
    document.set(fields.createdAt, new Date());
  }
}

function isMissing(document: AnyDocument, path: string): boolean {
  return document.isSelected(path) && (document.get(path) ?? null) === null;
}

async function readState(document: AnyDocument, session: ClientSession | null): Promise<unknown> {
  const model = modelOf(document);
  const { fields } = definitionOf(model).options;
  const found = await collectionOf(model).findOne(
    { _id: document._id },
    { projection: { [fields.state]: 1 }, ...NEWEST, ...(session && { session }) },
  );

  return found && (found[fields.state] ?? State.PENDING);
}

function refused(document: AnyDocument, state: string | null): TaskStateError {
  const name = nameOf(document);
  const message =
    state === State.RUNNING
      ? `Expected ${name} not to be RUNNING for \`push()\`. Who holds it can \`finish()\`, \`fail()\`, \`retry()\` or \`release()\` it.`
      : `Expected ${name} to be stored for \`push()\`, but it ${state === null ? 'was deleted' : `is ${state}`}. Push a new document.`;

  return new TaskStateError(message, document._id, state);
}

// Its changes must not become those of an attempt that somebody else makes, or will make.
function lost(document: AnyDocument): LeaseLostError {
  return new LeaseLostError(
    `Expected ${nameOf(document)} not to be CREATED for \`push()\` by who popped it: its lease was lost before it was settled. Leave it alone.`,
    document._id,
  );
}

function nameOf(document: AnyDocument): string {
  return `${modelOf(document).modelName} ${String(document._id)}`;
}
