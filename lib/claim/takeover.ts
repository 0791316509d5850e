import { silence } from '../backoff';
import type { Definition } from '../definition/definition';
import type { ResolvedOptions } from '../options';
import { MAX_TIMER_MS } from '../values/check';

const RENEWALS_PER_LEASE = 3;

/** How long after one renewal of a lease the next one comes, in milliseconds: two may fail before it ends. */
export function renewalMs(leaseMs: number): number {
  return Math.max(1, leaseMs / RENEWALS_PER_LEASE);
}

/** Attempts for which the wait is computed; later ones wait like the last of them. */
const MAX_WAITS = 16;

/**
 * How long a task stays put after its lease ended before somebody else may take it, in milliseconds. A first attempt that ended
 * so may have been an accident: nobody waits for it. From the second on the task itself may be what kills its workers, so it
 * comes back with backoff and not to all of them at once. After the last attempt it only has to be failed.
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

/** For how long a task stays put that is claimed now, by the number of claims before, in milliseconds. */
export function holdsMs(options: ResolvedOptions): number[] {
  return Array.from(
    { length: Math.min(MAX_WAITS, options.maxAttempts) },
    (_, index) => options.leaseMs + waitAfterLease(index + 1, options),
  );
}

/** When a task can be taken by somebody else that is claimed now and was claimed `made` times before, as the server computes it. */
export function takeoverAt(made: unknown, options: ResolvedOptions, waits = holdsMs(options)): object {
  if (waits.every((wait) => wait === options.leaseMs)) return { $add: ['$$NOW', options.leaseMs] };

  return { $add: ['$$NOW', { $arrayElemAt: [waits, { $min: [made, waits.length - 1] }] }] };
}

/**
 * What a hold writes so that its task does not expire before the hold ends, as `until` computes it. A task without expiry gets none,
 * and one that would not expire before keeps its own.
 */
export function outlive({ expireAfterSeconds }: Definition, until: object): Record<string, object> {
  if (expireAfterSeconds === false) return {};
  const expiresBefore = { $lt: ['$_task.expiresFrom', { $subtract: [until, expireAfterSeconds * 1_000] }] };
  const canExpire = { $eq: [{ $type: '$_task.expiresFrom' }, 'date'] };

  return { '_task.expiresFrom': { $cond: [{ $and: [canExpire, expiresBefore] }, until, '$_task.expiresFrom'] } };
}

/** The same for a claim, where one of its holds is as long as the expiry. Others end before, unless they are renewed. */
export function outliveLong(definition: Definition, until: object, holdsMs: readonly number[]): Record<string, object> {
  const { expireAfterSeconds } = definition;
  const isLong = expireAfterSeconds !== false && Math.max(...holdsMs) >= expireAfterSeconds * 1_000;

  return isLong ? outlive(definition, until) : {};
}
