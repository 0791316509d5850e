import type { Types } from 'mongoose';
import type { State } from '../fields';
import { isSchedule, type Schedule } from '../schedule/schedule';

/**
 * What the queue keeps of a task, in its `_task` sub-document. It is not a path of the schema: it never shows in `toJSON()`,
 * and only claim, settle, push, park and wake write it, never a save of the user's.
 */
export interface Bookkeeping {
  /** When the task can be claimed: its due time, after its lease, or never while it is parked. */
  availableAt?: Date;
  /** When the task is due by itself. */
  dueAt?: Date;
  /** The TTL index counts from here. */
  expiresFrom?: Date;
  /** Claims since the last push. */
  attempts?: number;
  /** Claims ever: the fencing number. */
  claims?: number;
  /** Who holds the task, or who settled it last. */
  token?: Types.ObjectId;
  startedAt?: Date;
  settledAt?: Date;
  /** One entry for each attempt that failed, the newest last. */
  errors?: TaskFailure[];
  key?: string;
  /** When the task runs again; it has no end while this is set. */
  schedule?: Schedule;
  /** When the run of a recurring task was due that waits for a retry. */
  slot?: Date;
  /** How the last run of a recurring task ended. */
  lastRun?: { state: State; at: Date; slot: Date };
  /** What its holder reported last. */
  progress?: unknown;
  /** While the task is parked: the changes it waits for, of the documents of one clause. */
  waitingOn?: WaitedFor[];
  /** While it is parked: when it is looked at although nothing woke it. */
  recheckAt?: Date;
  /** While it is failed by a dependency: the changes of the documents that failed it which would undo that. */
  doomedBy?: WaitedFor[];
}

/** A change of a document that is waited for: the mark of the watch for it, and the document. */
export interface WaitedFor {
  readonly mark: string;
  readonly id: unknown;
}

/** Why an attempt failed. */
export interface TaskFailure {
  message: string;
  stack?: string;
  /** When it failed, by the server's clock. */
  at: Date;
  /** Number of the attempt, from 1; 0 when the task failed without having been popped. */
  attempt: number;
  /** Of a task that failed with a dependency: the document it all began with. */
  cause?: { model: string; id: unknown; message: string };
}

const isDate = (value: unknown): boolean => value instanceof Date && !Number.isNaN(value.getTime());
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isToken = (value: unknown): boolean => (value as { _bsontype?: string } | null)?._bsontype === 'ObjectId';

/** What each field can hold. Any program may have written the document. */
const FITS: { readonly [name in keyof Bookkeeping]?: (value: unknown) => boolean } = {
  availableAt: isDate,
  dueAt: isDate,
  expiresFrom: isDate,
  attempts: isCount,
  claims: isCount,
  token: isToken,
  startedAt: isDate,
  settledAt: isDate,
  errors: Array.isArray,
  key: (value) => typeof value === 'string',
  schedule: isSchedule,
  slot: isDate,
  lastRun: isFields,
  waitingOn: Array.isArray,
  recheckAt: isDate,
  doomedBy: Array.isArray,
};

/** Whether a value has fields, as bookkeeping does. */
export function isBookkeeping(value: unknown): value is Bookkeeping {
  return value === undefined || isFields(value);
}

/** The fields that hold something else than they should. */
export function misfits(task: Bookkeeping | undefined): (keyof Bookkeeping)[] {
  if (!task) return [];

  return (Object.keys(task) as (keyof Bookkeeping)[]).filter((name) => isMisfit(task, name));
}

function isMisfit(task: Bookkeeping, name: keyof Bookkeeping): boolean {
  return !(FITS[name]?.(task[name]) ?? true);
}

/** The bookkeeping of a raw document; what does not fit counts as not there. */
export function readBookkeeping(raw: unknown): Bookkeeping {
  if (!isFields(raw)) return {};
  const task: Bookkeeping = raw;
  // Without a list of the names: every task comes this way.
  for (const name in task) if (isMisfit(task, name as keyof Bookkeeping)) delete task[name as keyof Bookkeeping];

  return task;
}

function isFields(value: unknown): value is object {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return false;

  // A field of that name is one like any other.
  return !('_bsontype' in value) || Object.hasOwn(value, '_bsontype');
}
