import type { Types } from 'mongoose';
import type { AnyDocument } from '../definition/definition';
import { type Bookkeeping, readBookkeeping, type TaskFailure } from './bookkeeping';

export type { Bookkeeping, Cancel, TaskFailure, WaitedFor } from './bookkeeping';

/** The lease by which a handle holds its task. */
export interface Lease {
  /** A text that names this claim. */
  readonly token: string;
  /** Number of this attempt, from 1. */
  readonly attempt: number;
  /** Grows with every claim of the task: give it to other systems, so that they can refuse a late holder. */
  readonly fence: number;
  /** When the lease ends, by the server's clock. */
  readonly until: Date;
}

/** What became of a push: see `TaskMethods.pushOutcome`. */
export type PushOutcome = 'queued' | 'kept' | 'replaced' | 'superseded' | 'behind';

/** The queue's data of a document in this process. */
export interface Handle {
  /** The bookkeeping as last read or written. */
  stored: Bookkeeping;
  /** Set by a claim, cleared by a settle that succeeded. */
  lease: Lease | null;
  /** The token with which this handle settled, to recognise a settle that is sent again. */
  settledWith: Types.ObjectId | null;
  /** The verb with which this handle settled last. */
  settledAs: string | null;
  /** The settle that was begun last. */
  settling: { readonly verb: string; readonly ended: Promise<unknown> } | null;
  /** How many settles were begun, and how many of them have ended. */
  settlesBegun: number;
  settlesEnded: number;
  /** Whether a save under way is the queue's own. */
  saving: boolean;
  /** Whether the save under way changes what the task waits for. */
  rejudge: boolean;
  /** What became of the push that resolved to this document. */
  pushOutcome: PushOutcome | null;
  /** While a save of the user's is fenced: the filter the user had set. */
  userFilter: { filter: Record<string, unknown> | undefined } | null;
  /** While the document is being written: the writes that wait for their turn. */
  writes: (() => void)[] | null;
  /** What a save hook threw after the document was written, until it is thrown. */
  hookError: { readonly error: unknown } | null;
}

/** At most this many failures of a task are kept; older ones are dropped. */
export const MAX_FAILURES = 10;

/** The failure of a task that used all its attempts without being settled. */
export const LEASE_ENDED = 'The lease of the last attempt ended before the task was settled.';

// A class that extends this one gives its private fields to the object that its constructor is given.
class Given {
  constructor(document: object) {
    return document;
  }
}

// A private field of the document itself is found sooner than an entry of a WeakMap, and costs the garbage collector less. Like that entry
// it is seen by nobody, and not copied.
class Keeper extends Given {
  #handle: Handle;

  private constructor(document: object, handle: Handle) {
    super(document);
    this.#handle = handle;
  }

  static handleOf(document: object): Handle | undefined {
    return #handle in document ? document.#handle : ofFrozen.get(document);
  }

  static give(document: object, handle: Handle): void {
    if (#handle in document) document.#handle = handle;
    else if (Object.isExtensible(document)) new Keeper(document, handle);
    else ofFrozen.set(document, handle);
  }
}

// What is frozen gets no field in future versions of JavaScript.
const ofFrozen = new WeakMap<object, Handle>();

export function handleOf(document: object): Handle {
  let handle = Keeper.handleOf(document);
  if (!handle) {
    handle = {
      stored: {},
      lease: null,
      settledWith: null,
      settledAs: null,
      settling: null,
      settlesBegun: 0,
      settlesEnded: 0,
      saving: false,
      rejudge: false,
      pushOutcome: null,
      userFilter: null,
      writes: null,
      hookError: null,
    };
    Keeper.give(document, handle);
  }

  return handle;
}

/** Makes two documents of one task hold the same lease. */
export function shareHandle(from: object, to: object): void {
  Keeper.give(to, handleOf(from));
}

/** As much of a handle as is taken back with a write. */
export function undoable(handle: Handle) {
  const { settling: _, settlesBegun: _begun, settlesEnded: _ended, writes: _writes, ...rest } = handle;

  return rest;
}

/** Takes the bookkeeping out of a raw document before Mongoose makes a document of it. */
export function takeBookkeeping(document: object, raw: { _task?: Bookkeeping }): void {
  if (raw._task === undefined) return;

  handleOf(document).stored = readBookkeeping(raw._task);
  delete raw._task;
}

/** Gives the document the lease that a claim just wrote. */
export function holdLease(document: object, leaseMs: number): void {
  const handle = handleOf(document);
  const { token, attempts = 0, claims = 0, startedAt } = handle.stored;
  if (!token || !startedAt) return;

  const until = new Date(startedAt.getTime() + leaseMs);
  handle.lease = { token: token.toHexString(), attempt: attempts, fence: claims, until };
}

/** The lease by which this document holds its task: set by `pop()`, null before it and after the task was settled. */
export function lease(task: object): Lease | null {
  return handleOf(task).lease;
}

/** How often the task was popped since it was pushed, without the attempts that were released. */
export function attempts(task: object): number {
  return handleOf(task).stored.attempts ?? 0;
}

/** Why earlier attempts failed, the newest last; the last 10 are kept. */
export function failures(task: object): readonly TaskFailure[] {
  return handleOf(task).stored.errors ?? [];
}

/** The value that a holder of the task last gave to `progress()`; undefined if there is none. */
export function lastProgress(task: object): unknown {
  return handleOf(task).stored.progress;
}

/** What became of the push that resolved to this document; null for any other document, such as a popped one. */
export function pushOutcome(task: object): PushOutcome | null {
  return handleOf(task).pushOutcome;
}

/** A settle that was begun: its verb, and a promise of its end. */
export type Settling = NonNullable<Handle['settling']>;

/** The settle of a task that is under way, if there is one. */
export function settlingOf(task: AnyDocument): Settling | undefined {
  const { settling, settlesBegun, settlesEnded } = handleOf(task);

  return settling && settlesBegun > settlesEnded ? settling : undefined;
}
