import type { Definition } from '../definition/definition';
import type { State } from '../fields';
import { MAX_FAILURES, type TaskFailure } from './handle';

/**
 * What every end of a task sets, as a stage of an update: the server's clock dates it, and a task that is put back by a raw write is due at
 * once.
 */
export function ended({ options }: Definition, state: State): Record<string, unknown> {
  return { [options.fields.state]: state, '_task.settledAt': '$$NOW', '_task.availableAt': '$_task.dueAt' };
}

/** What a failed attempt adds, as a stage of an update. What is stored in the place of the list and is no list counts as none. */
export function withFailure(failure: Omit<TaskFailure, 'at'>): Record<string, unknown> {
  const entry = { $mergeObjects: [{ $literal: failure }, { at: '$$NOW' }] };
  const earlier = { $cond: [{ $isArray: '$_task.errors' }, '$_task.errors', []] };

  return { '_task.errors': { $slice: [{ $concatArrays: [earlier, [entry]] }, -MAX_FAILURES] } };
}
