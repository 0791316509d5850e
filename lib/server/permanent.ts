import { TaskQueueError, UnsupportedServerError } from '../errors';
import { safely } from '../values/describe';

/** The server's code for a missing right. */
const UNAUTHORIZED = 13;
const AUTHENTICATION_FAILED = 18;
const COMMAND_NOT_FOUND = 59;
const CANNOT_CREATE_INDEX = 67;
const COMMAND_NOT_SUPPORTED = 115;
const NOT_IMPLEMENTED = 238;

/** What a server answers that will answer so again: who asks may not, or it cannot do what is asked. */
const PERMANENT = new Set<unknown>([
  UNAUTHORIZED,
  AUTHENTICATION_FAILED,
  COMMAND_NOT_FOUND,
  CANNOT_CREATE_INDEX,
  COMMAND_NOT_SUPPORTED,
  NOT_IMPLEMENTED,
]);
const PERMANENT_NAMES = new Set(['IndexConflictError', 'UnauthorizedError', 'UnsupportedServerError']);

/** Whether trying again is of no use before somebody has changed rights, indexes, the server or the program. */
export function isPermanent(error: unknown): boolean {
  if (safely(() => error instanceof TaskQueueError)) return PERMANENT_NAMES.has((error as TaskQueueError).name);

  return PERMANENT.has(codeOf(error));
}

/** Whether a right is missing. */
export function isUnauthorized(error: unknown): boolean {
  return codeOf(error) === UNAUTHORIZED;
}

/** The error of a server that cannot do what the queue needs says so; any other is returned as it is. */
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

function codeOf(error: unknown): unknown {
  return safely(() => (error as { code?: unknown } | null)?.code);
}
