import { inspect } from 'node:util';
import { isNativeError } from 'node:util/types';
import type { AnyDocument } from '../definition';
import { handleOf, MAX_FAILURES, type TaskFailure } from '../handle';
import type { Change } from './write';

const MAX_MESSAGE_LENGTH = 2_000;
const MAX_STACK_LENGTH = 8_000;

/** What a failed attempt adds to the task's bookkeeping. */
export function failed(task: AnyDocument, error: unknown, at: Date): Change['task'] {
  if (error === undefined) return {};
  const { stored } = handleOf(task);
  const failure = { ...describe(error), at, attempt: stored.attempts ?? 0 };

  return { errors: [...(stored.errors ?? []), failure].slice(-MAX_FAILURES) };
}

// Anything can be thrown, also by another realm; what it is must not keep the task from failing.
function describe(error: unknown): Pick<TaskFailure, 'message' | 'stack'> {
  const { message: text, stack } = isNativeError(error) || error instanceof Error ? error : { message: error };
  const message = (typeof text === 'string' ? text : inspect(text)).slice(0, MAX_MESSAGE_LENGTH);

  return typeof stack === 'string' ? { message, stack: stack.slice(0, MAX_STACK_LENGTH) } : { message };
}
