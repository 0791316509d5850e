import type { AnyDocument } from '../definition/definition';
import { describe } from '../values/describe';
import { handleOf, MAX_FAILURES } from '../task/handle';
import type { Change } from './change';

/** What a failed attempt adds to the task's bookkeeping. */
export function failed(task: AnyDocument, error: unknown, at: Date): Change['task'] {
  if (error === undefined) return {};
  const { stored } = handleOf(task);
  const failure = { ...describe(error), at, attempt: stored.attempts ?? 0 };

  return { errors: [...(stored.errors ?? []), failure].slice(-MAX_FAILURES) };
}
