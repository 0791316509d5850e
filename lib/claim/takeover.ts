import { silence } from '../backoff';
import type { Definition } from '../definition/definition';
import type { ResolvedOptions } from '../options';
import { MAX_TIMER_MS } from '../values/check';

const RENEWALS_PER_LEASE = 3;

/** The time between two renewals of a lease, in milliseconds: two may fail before the lease ends. */
export function renewalMs(leaseMs: number): number {
  return Math.max(1, leaseMs / RENEWALS_PER_LEASE);
}

/** At most this many attempts have a computed wait; later ones wait like the last of them. */
const MAX_WAITS = 16;

/**
 * How long a task cannot be claimed after its lease ended, in milliseconds. A first attempt that ended so may have been an accident, so
 * there is no wait. From the second on the task itself may kill its workers, so it comes back with the backoff. After the last attempt
 * it only has to be failed, so there is no wait.
 */
export function waitAfterLease(attempt: number, { backoff, maxAttempts }: ResolvedOptions): number {
  if (attempt < 2 || attempt >= maxAttempts) return 0;
  try {
    const wait = backoff(attempt - 1);
    silence(wait);
    return Number.isFinite(wait) ? Math.min(MAX_TIMER_MS, Math.max(0, Math.floor(wait))) : 0;
  } catch {
    // A backoff that is wrong must not keep tasks from being claimed: `retry()` says what is wrong with it.
    return 0;
  }
}

/** How long a claim holds its task, wait included, in milliseconds; one entry for each number of earlier attempts. */
export function holdsMs(options: ResolvedOptions): number[] {
  return Array.from(
    { length: Math.min(MAX_WAITS, options.maxAttempts) },
    (_, index) => options.leaseMs + waitAfterLease(index + 1, options),
  );
}

/** The expression for when a task that is claimed now, after `made` earlier attempts, can be claimed by another consumer. */
export function takeoverAt(made: unknown, options: ResolvedOptions, waits = holdsMs(options)): object {
  if (waits.every((wait) => wait === options.leaseMs)) return { $add: ['$$NOW', options.leaseMs] };

  return { $add: ['$$NOW', { $arrayElemAt: [waits, { $min: [made, waits.length - 1] }] }] };
}

/**
 * The fields that keep a task from expiring before its hold ends, at the time of the expression `until`. A task without expiry gets none,
 * and a later expiry stays.
 */
export function outlive({ expireAfterSeconds }: Definition, until: object): Record<string, object> {
  if (expireAfterSeconds === false) return {};
  const expiresBefore = { $lt: ['$_task.expiresFrom', { $subtract: [until, expireAfterSeconds * 1_000] }] };
  const canExpire = { $eq: [{ $type: '$_task.expiresFrom' }, 'date'] };

  return { '_task.expiresFrom': { $cond: [{ $and: [canExpire, expiresBefore] }, until, '$_task.expiresFrom'] } };
}

/** The fields of `outlive()` for a claim, if a hold may be as long as the expiry. Shorter holds end before it, unless they are renewed. */
export function outliveLong(definition: Definition, until: object, holdsMs: readonly number[]): Record<string, object> {
  const { expireAfterSeconds } = definition;
  const isLong = expireAfterSeconds !== false && Math.max(...holdsMs) >= expireAfterSeconds * 1_000;

  return isLong ? outlive(definition, until) : {};
}
