import { isDeepStrictEqual } from 'node:util';
import type { Filter } from '../definition/definition';
import { State } from '../fields';
import type { Bookkeeping } from '../task/bookkeeping';
import { isOpen } from '../task/cancellation';
import { isUnscheduled, requireSchedule } from '../task/stored-schedule';
import type { Change } from './change';
import type { StoredState } from './refusal';

/** What others may change of a held task, as its holder knows it. Who finds it otherwise settles by what is there. */
export interface Known {
  /** The stored value of any type; null for none. */
  readonly schedule: unknown;
  readonly cancel: Bookkeeping['cancel'];
  readonly aside: Bookkeeping['aside'];
  /** Whether the task has a key: only then another may wait behind it. */
  readonly isKeyed: boolean;
}

/** The names that are required to be missing, of those that may be. */
const ABSENT = ['_task.cancel', '_task.aside'] as const;
/** All names that `expectedOf()` compares. */
export const EXPECTED: readonly string[] = ['_task.schedule', ...ABSENT];

export function knownOf({ schedule, cancel, aside, key }: Bookkeeping): Known {
  return { schedule: schedule ?? null, cancel, aside, isKeyed: key !== undefined };
}

/** The filter for a task that is as its holder knows it. `givesWay`: whether a request to cancel the task decides its end. */
export function expectedOf({ schedule, cancel, aside, isKeyed }: Known, givesWay: boolean): Filter {
  const expected = requireSchedule(schedule);
  if (givesWay) expected['_task.cancel'] = cancel === undefined ? null : { $exists: true };
  if (isKeyed) expected['_task.aside'] = aside ?? null;

  return expected;
}

/** Whether nothing that the filter compares differs from what was found: then it did not match for another reason. */
export function isAsExpected(known: Known, found: StoredState, givesWay: boolean): boolean {
  const { cancel, aside } = found.changeable;

  return (
    isDeepStrictEqual(found.schedule, known.schedule) &&
    (!givesWay || isDeepStrictEqual(cancel, known.cancel)) &&
    (!known.isKeyed || String(aside) === String(known.aside))
  );
}

/** The names that a filter requires to be missing besides the schedule; null if it requires more of the task than that. */
export function absences(filter: Filter): readonly string[] | null {
  const named = ABSENT.filter((name) => name in filter);

  return isUnscheduled(filter) && named.every((name) => filter[name] === null) ? named : null;
}

/** The change of a held task by what is known of it: an open request ends it, and its key is its own again when it ends. */
export function changeBy<C extends Change>(stored: Bookkeeping, change: C, now: Date, givesWay: boolean): C {
  const { cancel, key } = stored;
  const at = cancel && isOpen(stored) ? cancel.at : null;
  const isEnd = change.state !== State.CREATED || (givesWay && at !== null);
  if (!isEnd || (!at && typeof key !== 'object')) return change;

  const plain = typeof key === 'object' ? { key: key.running, aside: undefined } : {};
  if (!at) return { ...change, task: { ...change.task, ...plain } };
  // Not before the request, which it makes void.
  const settledAt = at > now ? at : now;
  if (!givesWay) return { ...change, task: { ...change.task, settledAt, ...plain } };
  const { errors, token } = change.task;
  const over = { availableAt: stored.dueAt, waitingOn: undefined, recheckAt: undefined, slot: undefined, settledAt };
  return { ...change, state: State.CANCELLED, task: { ...over, ...(errors && { errors }), token, ...plain } };
}
