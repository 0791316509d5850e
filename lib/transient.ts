import { setTimeout as sleep } from 'node:timers/promises';
import type { mongo } from 'mongoose';

const TRIES = 5;
const WRITE_CONFLICT = 112;
const MAX_TIME_EXPIRED = 50;
const NO_SUCH_HINT = 2;
/**
 * What a primary answers that steps down or shuts down: at once, or as a write concern error after it has written. The driver
 * deals with it where one document is written; an update of many is not labelled as one that can be sent again.
 */
const NO_LONGER_PRIMARY = new Set<unknown>([91, 189, 10_107, 11_600, 11_602, 13_435, 13_436]);
/** When one connection breaks, the driver clears the pool, which fails those that wait for a connection as well. */
const NETWORK_ERROR = /^MongoNetwork|^(Mongo)?PoolCleared/;

/**
 * Runs an operation again, with jitter, after a write conflict or a broken connection. Only for operations whose filter makes a
 * repeat harmless. `again` is told whether the one before may have been carried out without its answer arriving.
 */
export async function persistently<T>(operation: (again: boolean) => Promise<T>): Promise<T> {
  let again = false;
  for (let attempt = 1; ; attempt++) {
    try {
      return await operation(again);
    } catch (error) {
      if (attempt === TRIES || !isTransient(error)) throw error;
      again ||= isNetworkError(error);
      await sleep(Math.random() * 10 * 2 ** attempt);
    }
  }
}

/** Whether the document was locked by an open transaction for longer than the operation may wait. */
export function isTimeExpired(error: unknown): boolean {
  return codeOf(error) === MAX_TIME_EXPIRED;
}

/** Whether the hinted index does not exist: it, or the whole collection, was dropped under us. */
export function isMissingIndex(error: unknown): boolean {
  return codeOf(error) === NO_SUCH_HINT && error instanceof Error && error.message.includes('hint');
}

/** Whether the connection broke, or the primary stepped down, while an operation was under way or waited for a connection. */
export function isNetworkError(error: unknown): boolean {
  // A bulk write wraps what happened to its connection.
  const { errorResponse } = (error ?? {}) as { errorResponse?: unknown };

  return [error, errorResponse].some(
    (one) =>
      NO_LONGER_PRIMARY.has(codeOf(one)) ||
      (one instanceof Error && (NETWORK_ERROR.test(one.name) || hasLabel(one, 'RetryableWriteError'))),
  );
}

function isTransient(error: unknown): boolean {
  return codeOf(error) === WRITE_CONFLICT || isNetworkError(error);
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code;
}

function hasLabel(error: Error, label: string): boolean {
  return (error as Partial<mongo.MongoError>).hasErrorLabel?.(label) ?? false;
}
