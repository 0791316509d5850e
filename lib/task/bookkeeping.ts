import { Types } from 'mongoose';
import type { State } from '../fields';
import type { TraceContext } from '../observe';
import { isSchedule, type Schedule } from '../schedule/schedule';
import { isWritable } from '../values/writable';

/**
 * The queue's data of a task, in its `_task` sub-document. `_task` is no path of the schema: it never shows in `toJSON()`, and only claim,
 * settle, push, park and wake write it, never a save of the user's.
 */
export interface Bookkeeping {
  /** When the task can be claimed: its due time, after its lease, or never while it is parked. */
  availableAt?: Date;
  /** When the task is due, apart from leases and dependencies. */
  dueAt?: Date;
  /** The time from which the TTL index counts. */
  expiresFrom?: Date;
  /** Claims since the last push. */
  attempts?: number;
  /** Claims since the task was created: the fencing number. */
  claims?: number;
  /** The token of the handle that holds the task, or settled it last. */
  token?: Types.ObjectId;
  startedAt?: Date;
  settledAt?: Date;
  /** One entry for each attempt that failed, the newest last. */
  errors?: TaskFailure[];
  /** `{ running }` while another task of the key waits for this one to end. */
  key?: string | { running: string };
  /** A request to cancel the task: open until the task is settled, then a trace of it. */
  cancel?: Cancel;
  /** When the task must have been started first. */
  startBy?: Date;
  /** Names a task that runs while its successor waits. */
  aside?: Types.ObjectId;
  /** The name of the task that must end before this one starts. */
  behind?: Types.ObjectId;
  /** Until when pushes of the key are kept, whether or not this task has ended. */
  throttledUntil?: Date;
  /** When a debounced task was pushed first. */
  firstPushAt?: Date;
  /** When the task runs again: while it is set, a finished or failed run leads to the next one. */
  schedule?: Schedule;
  /** When the present run of a recurring task was due at first, while it waits for a retry. */
  slot?: Date;
  /** How the last run of a recurring task ended. */
  lastRun?: { state: State; at: Date; slot: Date };
  /** The trace in which the task was pushed, where an instrumentation stores it. */
  trace?: TraceContext;
  /** The value its holder last gave to `progress()`. */
  progress?: unknown;
  /** While the task is parked: the changes it waits for, all of documents of one clause. */
  waitingOn?: WaitedFor[];
  /** While the task is parked: when it is judged again although nothing woke it. */
  recheckAt?: Date;
  /** While the task is FAILED by a dependency: the changes of documents that would revive it. */
  doomedBy?: WaitedFor[];
}

/** See `task/cancellation.ts` for when it is open. */
export interface Cancel {
  readonly reason?: string;
  readonly at: Date;
}

/** A change that a task waits for: the mark of its watch, and the id of the document. */
export interface WaitedFor {
  readonly mark: string;
  readonly id: unknown;
}

/** Why an attempt failed. */
export interface TaskFailure {
  /** What the error says. */
  message: string;
  /** Where it was thrown, and the names and messages of its causes. */
  stack?: string;
  /** When the attempt failed, by the server's clock. */
  at: Date;
  /** Number of the attempt, from 1; 0 when the task failed without having been popped. */
  attempt: number;
  /** Of a task that failed with a dependency: the document it all began with. */
  cause?: {
    /** The name of its model. */
    model: string;
    /** Its `_id`. */
    id: unknown;
    /** Why it failed. */
    message: string;
  };
}

const isDate = (value: unknown): boolean => value instanceof Date && !Number.isNaN(value.getTime());
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isText = (value: unknown): boolean => typeof value === 'string';
// An object of another program may have a field `_bsontype`.
const isToken = (value: unknown): boolean => value instanceof Types.ObjectId;

/** The condition for a token, or the name of a task, that is missing or of another type: both count as none. */
export const NO_TOKEN = { $not: { $type: 'objectId' } };

const isTrace = (value: unknown): boolean => {
  const { traceparent, tracestate = '' } = (value ?? {}) as Partial<TraceContext>;

  return isText(traceparent) && isText(tracestate);
};

type Fits = { readonly [name: string]: ((value: unknown) => boolean) | undefined };

/** What each field can hold. Any program may have written the document, also with names that every object has. */
const FITS: Fits = withoutPrototype({
  availableAt: isDate,
  dueAt: isDate,
  expiresFrom: isDate,
  attempts: isCount,
  claims: isCount,
  token: isToken,
  startedAt: isDate,
  settledAt: isDate,
  errors: isListOf(isFailure),
  key: (value) => isText(value) || isText((value as { running?: unknown } | null)?.running),
  cancel: (value) => isFields(value) && isDate((value as Cancel).at),
  startBy: isDate,
  aside: isToken,
  behind: isToken,
  throttledUntil: isDate,
  firstPushAt: isDate,
  schedule: isSchedule,
  slot: isDate,
  lastRun: isFields,
  trace: isTrace,
  waitingOn: isListOf(isFields),
  recheckAt: isDate,
  doomedBy: isListOf(isFields),
});

/** What each field of an entry of `errors` can hold. Entries are written again with each new one, so all of it must be sendable. */
const FITS_FAILURE: Fits = withoutPrototype({
  message: isText,
  stack: isText,
  at: isDate,
  attempt: isCount,
  cause: isCause,
});

function isFailure(value: unknown): boolean {
  const isFitting = ([name, one]: [string, unknown]) => (FITS_FAILURE[name] ?? isWritable)(one);

  return isFields(value) && 'message' in value && Object.entries(value).every(isFitting);
}

function isCause(value: unknown): boolean {
  const { model, id, message } = (value ?? {}) as NonNullable<TaskFailure['cause']>;

  return isText(model) && isText(message) && isWritable(id);
}

function withoutPrototype(fits: Fits): Fits {
  return Object.assign(Object.create(null) as Fits, fits);
}

function isListOf(fits: (value: unknown) => boolean): (value: unknown) => boolean {
  return (value) => Array.isArray(value) && value.every(fits);
}

/** Whether a value is an object with fields, as bookkeeping is, or undefined. */
export function isBookkeeping(value: unknown): value is Bookkeeping {
  return value === undefined || isFields(value);
}

/** The fields whose values have a wrong type. */
export function misfits(task: Bookkeeping | undefined): (keyof Bookkeeping)[] {
  if (!task) return [];

  return (Object.keys(task) as (keyof Bookkeeping)[]).filter((name) => isMisfit(task, name));
}

function isMisfit(task: Bookkeeping, name: keyof Bookkeeping): boolean {
  return !(FITS[name]?.(task[name]) ?? true);
}

/** The bookkeeping of a raw document; a field of a wrong type counts as missing. */
export function readBookkeeping(raw: unknown): Bookkeeping {
  if (!isFields(raw)) return {};
  const task: Bookkeeping = raw;
  // A loop without a list of the names, because this is a hot path.
  for (const name in task) if (isMisfit(task, name as keyof Bookkeeping)) delete task[name as keyof Bookkeeping];

  return task;
}

function isFields(value: unknown): value is object {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return false;

  // An own field named `_bsontype` is data; an inherited one belongs to a BSON type.
  return !('_bsontype' in value) || Object.hasOwn(value, '_bsontype');
}
