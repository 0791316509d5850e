import type { Definition } from '../definition/definition';
import { State } from '../fields';
import type { Bookkeeping, Cancel } from './bookkeeping';
import { ended } from './ending';

/** A request to cancel a task, or what is left of it. */
export interface Cancellation {
  /** What was given to `cancel()`. */
  readonly reason: string | undefined;
  /** When it was cancelled, by the server's clock; null where only another program can have set the state. */
  readonly at: Date | null;
}

/** The reason of a task that was not started by its `startBy`. */
export const NOT_IN_TIME = 'not started in time';

/**
 * Whether a task's request to cancel it is open: nothing has settled the task since. One that is older than the last end is void, as after
 * a raw write of the state that puts the task back.
 */
export function isOpen({ cancel, settledAt }: Bookkeeping): boolean {
  return cancel !== undefined && !(settledAt && settledAt >= cancel.at);
}

/** Whether a task was not started by its `startBy`, or is by a claim that comes after it. All times are the server's. */
export function isOverdue({ startBy, attempts = 0, startedAt }: Bookkeeping, now: Date): boolean {
  if (startBy === undefined || startBy >= now) return false;

  return startedAt === undefined || (attempts === 1 && startedAt > startBy);
}

/** Whether the request is open, as an expression of an update. A date is greater than a missing value, and a missing value than no date. */
export const openRequest = { $gt: ['$_task.cancel.at', '$_task.settledAt'] };

/** The request for a `$set` stage. The reason is data, whatever it looks like. */
export function requestOf(reason: string | undefined): object {
  return { ...(reason !== undefined && { reason: { $literal: reason } }), at: '$$NOW' };
}

/** The key of a task that ends or is queued again: nobody waits behind it any more. */
export const plainKey = { $ifNull: ['$_task.key.running', '$_task.key'] };

/** What a task that has ended does not keep, for an `$unset` stage. */
export const OF_LIVE = ['_task.schedule', '_task.slot', '_task.waitingOn', '_task.recheckAt', '_task.doomedBy'];

/** The fields of a task that ends CANCELLED, for a `$set` stage. Without `reason` its request is kept. */
export function cancelled(definition: Definition, reason?: string): Record<string, unknown> {
  return {
    ...ended(definition, State.CANCELLED),
    // Not before the request, whichever server's clock wrote that: else the request would still be open.
    ...(reason === undefined && { '_task.settledAt': { $max: ['$$NOW', '$_task.cancel.at'] } }),
    '_task.key': plainKey,
    ...(reason !== undefined && { '_task.cancel': requestOf(reason) }),
  };
}

/** The fields that make a task CANCELLED if its request is open, else what `otherwise` says, for a `$set` stage. */
export function cancelledOr(definition: Definition, otherwise: Record<string, unknown>): Record<string, unknown> {
  const end = cancelled(definition);
  const names = new Set([...Object.keys(end), ...Object.keys(otherwise)]);

  return Object.fromEntries(
    [...names].map((name) => {
      const [then, or] = [end, otherwise].map((fields) => (name in fields ? fields[name] : `$${name}`));
      return [name, { $cond: [openRequest, then, or] }];
    }),
  );
}

/** When and why a CANCELLED task was cancelled. */
export function cancellationOf({ cancel, settledAt }: { cancel?: Cancel; settledAt?: Date }): Cancellation {
  return { reason: cancel?.reason, at: cancel?.at ?? settledAt ?? null };
}
