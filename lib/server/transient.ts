import type { mongo } from 'mongoose';
import { sleep } from '../timers';
import { explained } from './explain-error';
import { answered, NoAnswerError } from './time-limit';

const TRIES = 5;
const WRITE_CONFLICT = 112;
const MAX_TIME_EXPIRED = 50;
const WRITE_CONCERN_TIMEOUT = 64;
const NO_SUCH_HINT = 2;
/**
 * What a primary answers that steps down or shuts down: at once, or as a write concern error after it has written. The driver
 * deals with it where one document is written; an update of many is not labelled as one that can be sent again.
 */
const NO_LONGER_PRIMARY = new Set<unknown>([91, 189, 10_107, 11_600, 11_602, 13_435, 13_436]);
/** When one connection breaks, the driver clears the pool, which fails those that wait for a connection as well. */
const NETWORK_ERROR = /^MongoNetwork|^(Mongo)?PoolC(leared|losed)/;
/** How Node names a connection that broke. The driver passes it on as it is when the connection breaks while a command is being written. */
const BROKEN_CONNECTION = new Set<unknown>([
  'ECONNRESET',
  'ECONNABORTED',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOTCONN',
  'EPIPE',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
  'ETIMEDOUT',
]);

/**
 * Runs an operation again, with jitter, after a write conflict, a broken connection, or when no answer came. Only for operations whose
 * filter makes a repeat harmless. `again` is told whether the one before may have been carried out without its answer arriving, `onLate`
 * gets the answer that arrives after it was given up.
 */
export async function persistently<T>(
  operation: (again: boolean) => Promise<T>,
  onLate?: (result: T) => void,
): Promise<T> {
  let again = false;
  for (let attempt = 1; ; attempt++) {
    try {
      return await answered(operation(again), onLate);
    } catch (error) {
      if (attempt === TRIES || !isTransient(error)) throw explained(error);
      again ||= isNetworkError(error);
      await sleep(Math.random() * 10 * 2 ** attempt);
    }
  }
}

/** The same for what may take any time, as the building of an index does: where no answer comes it is asked for again, more and more patiently. */
export async function patiently<T>(operation: () => Promise<T>): Promise<T> {
  let patience = 1;
  for (let attempt = 1; ;) {
    try {
      return await answered(operation(), undefined, patience);
    } catch (error) {
      if (error instanceof NoAnswerError) patience *= 2;
      else if (attempt++ === TRIES || !isTransient(error)) throw error;
    }
    await sleep(Math.random() * 10 * 2 ** attempt);
  }
}

/** Whether the document was locked by an open transaction for longer than the operation may wait: it was not written. */
export function isTimeExpired(error: unknown): boolean {
  return codeOf(error) === MAX_TIME_EXPIRED && !isUnconfirmed(error);
}

/**
 * Whether a write was applied and only its write concern was not met in time: the limit of an operation ends that wait as well. The server
 * answers with a result then, where it answers with an error if it did not get through.
 */
export function isUnconfirmed(error: unknown): boolean {
  const code = codeOf(error);
  if (code !== MAX_TIME_EXPIRED && code !== WRITE_CONCERN_TIMEOUT) return false;
  const { name, ok, writeErrors } = error as Partial<mongo.MongoBulkWriteError> & { ok?: number };
  if (name === 'MongoWriteConcernError') return true;

  // A bulk write has one error for both; what did not get through brings the server's answer along.
  return name === 'MongoBulkWriteError' && ok !== 0 && [writeErrors ?? []].flat().length === 0;
}

/** Whether the hinted index does not exist: it, or the whole collection, was dropped under us. */
export function isMissingIndex(error: unknown): boolean {
  return codeOf(error) === NO_SUCH_HINT && error instanceof Error && error.message.includes('hint');
}

/** Whether the connection broke, or the primary stepped down, while an operation was under way or waited for a connection. */
export function isNetworkError(error: unknown): boolean {
  // No server was found for as long as the driver looks for one: looking again at once would double that wait.
  if (error instanceof Error && error.name === 'MongoServerSelectionError') return false;
  // A bulk write wraps what happened to its connection, and the driver what Node told it.
  const { errorResponse, cause } = (error ?? {}) as { errorResponse?: unknown; cause?: unknown };

  return [error, errorResponse, cause].some(
    (one) =>
      NO_LONGER_PRIMARY.has(codeOf(one)) ||
      BROKEN_CONNECTION.has(codeOf(one)) ||
      (one instanceof Error && (NETWORK_ERROR.test(one.name) || hasLabel(one, 'RetryableWriteError'))),
  );
}

/** The same, or no server was found for as long as the driver looks for one. */
export function isOutOfReach(error: unknown): boolean {
  return isNetworkError(error) || (error instanceof Error && error.name === 'MongoServerSelectionError');
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
