import { WrongSettingError } from '../definition/settings';
import { TaskQueueError, UnsupportedServerError } from '../errors';
import { safely } from '../values/describe';

/** The server's code for a missing right. */
const UNAUTHORIZED = 13;
const AUTHENTICATION_FAILED = 18;
const COMMAND_NOT_FOUND = 59;
const CANNOT_CREATE_INDEX = 67;
/** Of an index that the kind of collection cannot have. */
const INVALID_OPTIONS = 72;
const COMMAND_NOT_SUPPORTED = 115;
const COMMAND_NOT_SUPPORTED_ON_VIEW = 166;
const NOT_IMPLEMENTED = 238;
const DUPLICATE_KEY = 11_000;
/** BadValue, FailedToParse, TypeMismatch, BadRegex and its options. */
const WRONG_QUERY = new Set<unknown>([2, 9, 14, 51_091, 51_108]);
const TOO_LARGE = new Set<unknown>([10_334, 17_419, 17_420]);
/** Of an insert by the server, which has a code for many errors, by the driver, and by the driver's buffer. */
const TOO_LARGE_SAID =
  /^MongoServerError: object to insert too large|^MongoInvalidArgumentError: Document is larger|^RangeError: The value of "offset"/;

/** Codes of answers that a server would repeat: a right is missing, or the server lacks the feature. */
const PERMANENT = new Set<unknown>([
  UNAUTHORIZED,
  AUTHENTICATION_FAILED,
  COMMAND_NOT_FOUND,
  CANNOT_CREATE_INDEX,
  INVALID_OPTIONS,
  COMMAND_NOT_SUPPORTED,
  COMMAND_NOT_SUPPORTED_ON_VIEW,
  NOT_IMPLEMENTED,
]);
const PERMANENT_NAMES = new Set(['IndexConflictError', 'UnauthorizedError', 'UnsupportedServerError']);

/** Whether trying again is useless until rights, indexes, the server or the program are changed. */
export function isPermanent(error: unknown): boolean {
  if (safely(() => error instanceof TaskQueueError))
    return error instanceof WrongSettingError || PERMANENT_NAMES.has((error as TaskQueueError).name);

  return PERMANENT.has(codeOf(error));
}

/** Whether a right is missing. */
export function isUnauthorized(error: unknown): boolean {
  return codeOf(error) === UNAUTHORIZED;
}

/** Whether a unique index refused a write. */
export function isDuplicate(error: unknown): boolean {
  return codeOf(error) === DUPLICATE_KEY;
}

/** Whether the server does not understand a query: an operator has an operand that it cannot have, or a pattern is none. */
export function isWrongQuery(error: unknown): boolean {
  return WRONG_QUERY.has(codeOf(error));
}

/** Whether what was sent, or would be stored, is larger than a document or a message can be: the server says so, or the driver's buffer. */
export function isTooLarge(error: unknown): boolean {
  if (TOO_LARGE.has(codeOf(error))) return true;
  const said = safely(() => `${(error as Error).name}: ${(error as Error).message}`) ?? '';

  return TOO_LARGE_SAID.test(said);
}

/** Replaces the error of a server that lacks a needed feature by one that says so; any other error is returned as it is. */
export function unsupported(error: unknown): unknown {
  const code = codeOf(error);
  const message = safely(() => String((error as Error).message)) ?? '';
  const isOfPartialIndex = code === CANNOT_CREATE_INDEX && /partial/i.test(message);
  if (code !== NOT_IMPLEMENTED && !isOfPartialIndex) return error;

  const advice = isOfPartialIndex
    ? 'Raise its feature compatibility version to 6.0 or newer: `db.adminCommand({ setFeatureCompatibilityVersion: "7.0", confirm: true })`.'
    : 'Use MongoDB 6.0 or newer.';
  return new UnsupportedServerError(`Expected a server that can do what MongoDB 6.0 can, got: ${message} ${advice}`, {
    cause: error,
  });
}

/** The server's code of an error. */
export function codeOf(error: unknown): unknown {
  return safely(() => (error as { code?: unknown } | null)?.code);
}
