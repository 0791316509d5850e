import { Error as MongooseError, type mongo } from 'mongoose';
import { sleep } from '../timers';
import { explained } from './explain-error';
import { codeOf } from './permanent';
import { answered, NoAnswerError } from './time-limit';

const TRIES = 5;
const WRITE_CONFLICT = 112;
const MAX_TIME_EXPIRED = 50;
const WRITE_CONCERN_TIMEOUT = 64;
const NO_SUCH_HINT = 2;
/**
 * Codes of a primary that steps down or shuts down: at once, or as a write concern error after the write. The driver retries writes of one
 * document by itself; an update of many documents has no label that allows a retry.
 */
const NO_LONGER_PRIMARY = new Set<unknown>([91, 189, 10_107, 11_600, 11_602, 13_435, 13_436]);
/** Names of connection errors. When one connection breaks, the driver clears the pool, and operations waiting for a connection fail too. */
const NETWORK_ERROR = /^MongoNetwork|^(Mongo)?PoolC(leared|losed)/;
/** Names of the driver's errors for a client that has found no server, or is closed. */
const NOT_CONNECTED = new Set([
  'MongoServerSelectionError',
  'MongoNotConnectedError',
  'MongoClientClosedError',
  'MongoTopologyClosedError',
]);
/** Node's codes of a broken connection: the driver passes them on if the connection breaks while a command is being written. */
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
 * Runs an operation, again with jitter after a write conflict, a broken connection or a missing answer. Only for operations whose filter
 * makes a repeat harmless. `again` is true when an earlier try may have been carried out although its answer was lost; `onLate` gets an
 * answer that arrives after its try was given up.
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

/** Runs an operation that may take any time, such as building an index: without an answer it is sent again, with a doubled time limit. */
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

/** Whether an operation wrote nothing, because an open transaction had locked a document for longer than it may wait. */
export function isTimeExpired(error: unknown): boolean {
  return codeOf(error) === MAX_TIME_EXPIRED && !isUnconfirmed(error);
}

/**
 * Whether a write was applied and only its write concern was not met in time: the time limit of an operation ends that wait as well. The
 * server then answers with a result; for a write that was not applied it answers with an error.
 */
export function isUnconfirmed(error: unknown): boolean {
  const code = codeOf(error);
  if (code !== MAX_TIME_EXPIRED && code !== WRITE_CONCERN_TIMEOUT) return false;
  const { name, ok, writeErrors } = error as Partial<mongo.MongoBulkWriteError> & { ok?: number };
  if (name === 'MongoWriteConcernError') return true;

  // A bulk write has one error for both cases; with `ok: 0` the write was not applied.
  return name === 'MongoBulkWriteError' && ok !== 0 && [writeErrors ?? []].flat().length === 0;
}

/** Whether the hinted index does not exist: the index, or the whole collection, was dropped. */
export function isMissingIndex(error: unknown): boolean {
  return codeOf(error) === NO_SUCH_HINT && error instanceof Error && error.message.includes('hint');
}

/** Whether the connection broke, or the primary stepped down, while an operation was under way or waited for a connection. */
export function isNetworkError(error: unknown): boolean {
  // The driver found no server within its time limit: another try would double that wait.
  if (error instanceof Error && error.name === 'MongoServerSelectionError') return false;
  // A bulk write wraps the error of its connection, and the driver wraps Node's.
  const { errorResponse, cause } = (error ?? {}) as { errorResponse?: unknown; cause?: unknown };

  return [error, errorResponse, cause].some(
    (one) =>
      NO_LONGER_PRIMARY.has(codeOf(one)) ||
      BROKEN_CONNECTION.has(codeOf(one)) ||
      (one instanceof Error && (NETWORK_ERROR.test(one.name) || hasLabel(one, 'RetryableWriteError'))),
  );
}

/** The connection of a model was not opened in time. It has the name of Mongoose's own error for that. */
export class NotConnectedError extends MongooseError {}

/** Whether the connection broke or is closed, the primary stepped down, or no server was found within a time limit. */
export function isOutOfReach(error: unknown): boolean {
  return (
    isNetworkError(error) ||
    (error instanceof Error && NOT_CONNECTED.has(error.name)) ||
    error instanceof NotConnectedError
  );
}

/** Whether others wrote the same documents at the same moment: nothing was written. */
export function isWriteConflict(error: unknown): boolean {
  return codeOf(error) === WRITE_CONFLICT;
}

/** Whether a write may have been applied, and what it wrote may still be rolled back. */
export function isUncertain(error: unknown): boolean {
  return isOutOfReach(error) || isUnconfirmed(error);
}

function isTransient(error: unknown): boolean {
  return isWriteConflict(error) || isNetworkError(error);
}

function hasLabel(error: Error, label: string): boolean {
  return (error as Partial<mongo.MongoError>).hasErrorLabel?.(label) ?? false;
}
