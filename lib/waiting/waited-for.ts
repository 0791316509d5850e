import type { Target, Watch } from '../dependencies/targets';
import type { Awaited } from '../dependencies/verdict';
import type { WaitedFor } from '../task/handle';

/**
 * By what the wake of a watch finds its tasks: the change and the document, so that it finds nobody who waits for another change of
 * it. The server compares such a sub-document as a whole, so the order of its fields is part of it.
 */
export function changeOf({ mark }: Watch, id: unknown): WaitedFor {
  return { mark, id };
}

/** The changes of a document that a task waits for. */
export function watchesOn(target: Target, { standing, only }: Awaited): Watch[] {
  const { whenMet, whenFailed } = target;
  const watches = only === 'failure' ? [] : [whenMet];
  // A failure is no news of one that has failed, and what counts as done may be just that.
  if (whenFailed && only !== 'success' && standing !== 'failed' && whenFailed.mark !== whenMet.mark)
    watches.push(whenFailed);

  return watches;
}

/** What a parked task waits for. Empty where nothing could tell of it: then it is left to its re-checks. */
export function waitedFor(target: Target | null, on: readonly Awaited[]): WaitedFor[] {
  return target ? on.flatMap((one) => watchesOn(target, one).map((watch) => changeOf(watch, one.id))) : [];
}

/** What a task waits for that was failed by these documents. */
export function revivedBy(target: Target | null, by: readonly Awaited[]): WaitedFor[] {
  const watch = target?.whenRevived;

  return watch ? by.map(({ id }) => changeOf(watch, id)) : [];
}
