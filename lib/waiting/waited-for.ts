import type { Target, Watch } from '../dependencies/targets';
import type { Awaited } from '../dependencies/verdict';
import type { WaitedFor } from '../task/handle';

/**
 * The entry by which a wake finds waiting tasks: mark and document, so that it finds none that waits for another change of the document.
 * The server compares such a sub-document as a whole, with the order of its fields.
 */
export function changeOf({ mark }: Watch, id: unknown): WaitedFor {
  return { mark, id };
}

/** The changes of a document that a task waits for. */
export function watchesOn(target: Target, { standing, only }: Awaited): Watch[] {
  const { whenMet, whenFailed } = target;
  const watches = only === 'failure' ? [] : [whenMet];
  // For a document that has failed, a failure is no news; and a condition for "done" may be the failure itself.
  if (whenFailed && only !== 'success' && standing !== 'failed' && whenFailed.mark !== whenMet.mark)
    watches.push(whenFailed);

  return watches;
}

/** The changes that a parked task waits for. Empty without a target: then only re-checks find the task. */
export function waitedFor(target: Target | null, on: readonly Awaited[]): WaitedFor[] {
  const changes: WaitedFor[] = [];
  if (target) for (const one of on) for (const watch of watchesOn(target, one)) changes.push(changeOf(watch, one.id));

  return changes;
}

/** The changes that revive a task which was failed by these documents. */
export function revivedBy(target: Target | null, by: readonly Awaited[]): WaitedFor[] {
  const watch = target?.whenRevived;

  return watch ? by.map(({ id }) => changeOf(watch, id)) : [];
}
