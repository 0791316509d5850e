import type { Definition } from '../definition/definition';
import type { State } from '../fields';
import { MAX_FAILURES, type TaskFailure } from './handle';

/**
 * The fields that every end of a task sets, for a `$set` stage. The end is dated by the server's clock, and `availableAt` is the due time,
 * so that a raw write of the state alone puts the task back ready.
 */
export function ended({ options }: Definition, state: State): Record<string, unknown> {
  return { [options.fields.state]: state, '_task.settledAt': '$$NOW', '_task.availableAt': '$_task.dueAt' };
}

/** The failures with one more, for a `$set` stage. A stored value that is no list counts as an empty one. */
export function withFailure(failure: Omit<TaskFailure, 'at'>): Record<string, unknown> {
  const entry = { $mergeObjects: [{ $literal: failure }, { at: '$$NOW' }] };
  const earlier = { $cond: [{ $isArray: '$_task.errors' }, '$_task.errors', []] };

  return { '_task.errors': { $slice: [{ $concatArrays: [earlier, [entry]] }, -MAX_FAILURES] } };
}
