import { type AnyDocument, definitionOf, modelOf } from '../definition/definition';
import { State } from '../fields';
import { handleOf, LEASE_ENDED } from '../task/handle';
import { due, failed } from './change';
import { settle } from './settle';

/** Whether no attempt is left after this one, so that a failure is for good. */
export function isExhausted(task: AnyDocument, attempt: number): boolean {
  return attempt >= definitionOf(modelOf(task)).options.maxAttempts;
}

/** Fails a task that was claimed after it had used its attempts: the lease of the last attempt ended. */
export function failExhausted<D extends AnyDocument>(task: D): Promise<D> {
  const { maxAttempts: attempts } = definitionOf(modelOf(task)).options;
  const handle = handleOf(task);
  handle.stored = { ...handle.stored, attempts };

  return settle(task, 'fail', {}, (settledAt) => ({
    state: State.FAILED,
    task: { ...due(task), settledAt, attempts, ...failed(task, LEASE_ENDED, settledAt) },
  }));
}
