import { MAX_DELAY_MS, MAX_TIMER_MS, refuseUnknown, requireInteger, wrongValue } from './values/check';

/** 2^31 ms exceeds every allowed wait; the cap also avoids 0 × Infinity = NaN. */
const MAX_DOUBLINGS = 31;

/** Returns how long the next attempt waits, in milliseconds. `attempt` is the number of the attempt that just ended, from 1. */
export type Backoff = (attempt: number) => number;

/** Options of `exponential()`. */
export interface ExponentialBackoff {
  /** Upper bound of the first wait, in milliseconds. Default: 1 000. */
  minMs?: number;

  /** Upper bound of every wait, in milliseconds. Default: 3 600 000 (one hour). */
  maxMs?: number;
}

/**
 * Waits that double, with full jitter: after attempt n a random time between 0 and `min(maxMs, minMs * 2^(n-1))`, so that
 * tasks which failed together do not come back together.
 *
 * @throws {InvalidOptionError} for a wrong option.
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function exponential(options: ExponentialBackoff = {}): Backoff {
  refuseUnknown(options, ['minMs', 'maxMs'], 'exponential()');
  const { minMs = 1_000, maxMs = 3_600_000 } = options;

  requireInteger('minMs', minMs, 0, MAX_TIMER_MS, 'milliseconds', '`exponential({ minMs: 1_000 })`');
  requireInteger('maxMs', maxMs, minMs, MAX_TIMER_MS, 'milliseconds', '`exponential({ maxMs: 3_600_000 })`');

  return (attempt) => Math.floor(Math.random() * Math.min(maxMs, minMs * 2 ** Math.min(attempt - 1, MAX_DOUBLINGS)));
}

/** The backoff of models without one. A single function, because Mongoose compares the options of a base schema with its kinds'. */
export const defaultBackoff = exponential();

/** Always the same wait of `ms` milliseconds. @throws {InvalidOptionError} for a wrong `ms`. */
export function constant(ms: number): Backoff {
  requireInteger('ms', ms, 0, MAX_TIMER_MS, 'milliseconds', '`constant(5_000)`');

  return () => ms;
}

/** Waits that grow by `stepMs` milliseconds with each attempt, up to `maxMs` (default: one hour). @throws {InvalidOptionError} */
export function linear(stepMs: number, maxMs = 3_600_000): Backoff {
  requireInteger('stepMs', stepMs, 0, MAX_TIMER_MS, 'milliseconds', '`linear(5_000)`');
  requireInteger('maxMs', maxMs, 0, MAX_TIMER_MS, 'milliseconds', '`linear(5_000, 60_000)`');

  return (attempt) => Math.min(maxMs, stepMs * attempt);
}

/** Returns how long the next attempt waits, in whole milliseconds. @throws the backoff's own error, or {InvalidOptionError}. */
export function waitAfter(attempt: number, backoff: Backoff): number {
  const wait: unknown = backoff(attempt);
  if (typeof wait === 'number' && wait >= 0 && wait <= MAX_DELAY_MS) return Math.floor(wait);
  silence(wait);
  throw wrongValue(
    'backoff',
    `a function that returns milliseconds from 0 to ${MAX_DELAY_MS}`,
    wait,
    '`backoff: (attempt) => attempt * 1_000`',
  );
}

/** Handles the rejection of a promise that a wrong backoff returned: unhandled, it would end the process. */
export function silence(wait: unknown): void {
  if (wait instanceof Promise) wait.catch(() => {});
}
