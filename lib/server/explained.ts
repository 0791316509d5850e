import { unsupported } from './permanent';
import { unauthorized } from './unauthorized';

/** The error to tell of for what the server said: one that says what to do where a right is missing or the server cannot do it. */
export function explained(error: unknown): unknown {
  return unauthorized(unsupported(error));
}

export function throwExplained(error: unknown): never {
  throw explained(error);
}
