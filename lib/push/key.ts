import type { ClientSession, Types } from 'mongoose';
import { findPlace, letGoIfEnded, uncertain } from '../claim/behind';
import { type AnyDocument, type Definition, definitionOf, modelOf, type RawDocument } from '../definition/definition';
import { whenCommitted } from '../definition/transaction';
import { TaskStateError } from '../errors';
import { isLive } from '../fields';
import { isDuplicateKey } from '../indexes/key-index';
import { reschedule } from '../settle/recurrence';
import { signalCancel } from '../side/control';
import { readBookkeeping } from '../task/bookkeeping';
import { type Bookkeeping, handleOf, type PushOutcome } from '../task/handle';
import { sleep } from '../timers';
import { keyOf } from '../values/id';
import { cancelAside, closeWindow, leaseEnd, moveAside, nameAside, successorOf } from './aside';
import { nextStep, type OnDuplicate } from './duplicate';
import { KeyTakenError } from './key-index';
import { hydrateOfKey, keysReady, type OfKey, readOfKey, requireNameable } from './of-key';
import { type Debounce, replace } from './replace';

/** A push under a key. */
export interface KeyedPush {
  readonly document: AnyDocument;
  readonly key: string;
  readonly mode: OnDuplicate;
  readonly task: Bookkeeping;
  readonly debounce: Debounce | null;
  readonly session: ClientSession | null;
  readonly now: Date;
  /** Stores the document as a task with this bookkeeping. */
  write(task: Bookkeeping): Promise<unknown>;
}

export interface Pushed {
  readonly task: AnyDocument;
  readonly outcome: PushOutcome;
}

/** At most this many tries while the tasks of the key change: of pushers at once, one gets through with each try of the others. */
const TRIES = 200;
const MAX_WAIT_MS = 20;

/**
 * Queues a document under a key, or does with the task that has the key what the push says. The unique index decides: a push that is refused
 * reads what is there, and each of its writes goes by what it has read.
 *
 * @throws {TaskStateError} when the tasks of the key changed with each try, or one of them cannot be read or named.
 */
export async function pushUnderKey(push: KeyedPush): Promise<Pushed> {
  const { document, key, session } = push;
  const definition = definitionOf(modelOf(document));
  await keysReady(definition.model, session);
  // A duplicate key would abort a transaction, and a document that is stored already may be the task itself.
  let found: OfKey = { front: null, aside: null };
  if (session?.inTransaction() || !document.isNew) found = await readOfKey(definition, key, session);
  for (let tries = 1; tries <= TRIES; tries++) {
    const pushed = await tryStep(definition, push, found);
    if (pushed) return pushed;
    if (tries > 2) await sleep(Math.random() * MAX_WAIT_MS);
    found = await readOfKey(definition, key, session);
  }

  const { modelName } = definition.model;
  throw new TaskStateError(
    `The tasks of ${modelName} with the key ${JSON.stringify(key)} change faster than another could be pushed. Push again later.`,
    document._id,
    null,
  );
}

/** One try by what was read of the key. Resolves to null when it is to be read again. */
async function tryStep(definition: Definition, push: KeyedPush, found: OfKey): Promise<Pushed | null> {
  const { document, key, task, session } = push;
  requireNameable(definition, found);
  const step = nextStep(definition, found, push);
  switch (step.does) {
    case 'save':
      return (await isStored(push, task)) ? { task: document, outcome: 'queued' } : null;
    case 'store':
      return step.behind ? storeBehind(definition, push, step.behind) : storeFirst(definition, push);
    case 'keep':
      return keep(definition, push, step.task);
    case 'close': {
      const open = await closeWindow(definition, step.task, session);
      return open && keep(definition, push, open);
    }
    case 'replace':
      return replaceFront(definition, push, step.task, asideOf(definition, push, found));
    case 'move aside':
      return store(definition, push, step.task, await moveAside(definition, key, step.task, session));
  }
}

/** Gives the task that waits the new input. One that did not know of the task before it may have been put behind it as that ended. */
async function replaceFront(
  definition: Definition,
  { document, key, task, debounce, session }: KeyedPush,
  front: RawDocument,
  aside: ReturnType<typeof asideOf>,
): Promise<Pushed | null> {
  const replaced = await replace(document, front, { task, debounce, behind: aside }, session);
  if (!replaced) return null;
  const { behind } = aside ?? {};
  const wasBehind = readBookkeeping({ ...front._task }).behind !== undefined;
  if (behind && !wasBehind) await afterCommit(session, () => letGoIfEnded(definition, key, behind));

  return { task: replaced, outcome: 'replaced' };
}

/** What a task that waits is given of the one before it; null where there is none. */
function asideOf(
  { options }: Definition,
  { now }: KeyedPush,
  { aside }: OfKey,
): Pick<Bookkeeping, 'behind' | 'availableAt'> | null {
  const { aside: behind, availableAt = now } = readBookkeeping({ ...aside?._task });

  return behind ? { behind, availableAt: leaseEnd(availableAt, now, options.leaseMs) } : null;
}

/** Stores the document as the first of its key. */
async function storeFirst(definition: Definition, push: KeyedPush): Promise<Pushed | null> {
  const { document, key, task, session } = push;
  if (!(await isStored(push, apart(push, task)))) return null;
  const { behind } = handleOf(document).stored;
  if (behind) await afterCommit(session, () => findPlace(definition, key, behind));

  return { task: document, outcome: 'queued' };
}

/** What is stored where the look at the key and the write are not one: for a new document, only Mongoose's `save()` is not. */
function apart({ document, session }: KeyedPush, task: Bookkeeping): Bookkeeping {
  return document.isNew && !session?.inTransaction() ? task : uncertain(task);
}

async function afterCommit(session: ClientSession | null, then: () => Promise<void>): Promise<void> {
  if (session?.inTransaction()) whenCommitted(session, () => void then());
  else await then();
}

/** Stores the document behind the task that is aside. */
async function storeBehind(definition: Definition, push: KeyedPush, aside: RawDocument): Promise<Pushed | null> {
  const { aside: name } = readBookkeeping({ ...aside._task });

  return store(definition, push, aside, name ?? (await nameAside(definition, aside, push.session)));
}

/** Stores the document behind a task that is aside under this name. */
async function store(
  definition: Definition,
  push: KeyedPush,
  aside: RawDocument,
  name: Types.ObjectId | null,
): Promise<Pushed | null> {
  const { document, key, mode, task, session, now } = push;
  const { leaseMs, cancelGraceMs } = definition.options;
  const longestMs = mode === 'supersede' ? cancelGraceMs : leaseMs;
  if (!name) return null;
  const successor = successorOf(definition, task, aside, name, now, longestMs);
  if (!(await isStored(push, apart(push, successor)))) return null;
  // Only now: who is ended before its successor is there may have nobody to come after it.
  if (mode === 'supersede') {
    await cancelAside(definition, key, name, document._id, session);
    whenCommitted(session, () => void signalCancel(definition.model));
  }
  const { behind = name } = handleOf(document).stored;
  const isApart = !behind.equals(name);
  await afterCommit(session, () =>
    isApart ? findPlace(definition, key, behind, name) : letGoIfEnded(definition, key, name),
  );

  return { task: document, outcome: mode === 'supersede' ? 'superseded' : 'behind' };
}

/** Whether the document could be stored: not if the key was taken meanwhile. */
async function isStored({ session, write }: KeyedPush, task: Bookkeeping): Promise<boolean> {
  try {
    await write(task);
    return true;
  } catch (error) {
    if (session?.inTransaction() || !(error instanceof KeyTakenError || isDuplicateKey(error))) throw error;
    return false;
  }
}

async function keep(
  definition: Definition,
  { document, task, session }: KeyedPush,
  raw: RawDocument,
): Promise<Pushed | null> {
  const isOwn = !document.isNew && keyOf(raw._id) === keyOf(document._id);
  const kept = isOwn ? document : hydrateOfKey(definition, raw);
  // If it ended before the schedule could be written to it, the key is free: push again.
  if (isLive(kept.get(definition.options.fields.state)) && !(await reschedule(kept, task, session))) return null;

  return { task: kept, outcome: 'kept' };
}
