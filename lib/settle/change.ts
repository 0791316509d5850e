import { type AnyDocument, definitionOf, modelOf } from '../definition/definition';
import { State } from '../fields';
import { type Bookkeeping, handleOf, MAX_FAILURES } from '../task/handle';
import { describe } from '../values/describe';
import { rawFields } from './restore';
import { setQuietly } from './stage-changes';

/** The state and bookkeeping that a write gives a task. A value of undefined removes the field. */
export interface Change {
  state: State;
  task: { [name in keyof Bookkeeping]?: Bookkeeping[name] | undefined };
}

/** Adds a change's bookkeeping to an update. */
export function addBookkeeping(update: BookkeepingUpdate, { task }: Change): void {
  for (const name of Object.keys(task) as (keyof Bookkeeping)[]) {
    const value = task[name];
    if (value === undefined) (update.$unset ??= {})[`_task.${name}`] = true;
    else (update.$set ??= {})[`_task.${name}`] = value;
  }
}

/** As much of an update as bookkeeping needs. */
export interface BookkeepingUpdate {
  $set?: Record<string, unknown>;
  $unset?: Record<string, unknown>;
}

export function adopt(document: AnyDocument, { state, task }: Change, touchedAt?: Date | number): void {
  const { options, updatedAt } = definitionOf(modelOf(document));
  const handle = handleOf(document);
  handle.stored = changed(handle.stored, task);
  // Not by `document.set()`: that marks the path as modified, and unmarking it would cost every task.
  rawFields(document)[options.fields.state] = state;
  if (updatedAt && touchedAt !== undefined) setQuietly(document, updatedAt.path, touchedAt);
}

function changed(before: Bookkeeping, change: Change['task']): Bookkeeping {
  // Each settle comes by here: this way takes half as long as a spread, and as entries.
  const stored: Change['task'] = Object.assign({}, before);
  for (const name of Object.keys(change) as (keyof Bookkeeping)[]) {
    const value = change[name];
    if (value !== undefined) stored[name] = value as never;
    else if (stored[name] !== undefined) delete stored[name];
  }

  return stored as Bookkeeping;
}

/** Makes the task available at its due time, so that a raw write of its state alone puts it back ready. */
export function due(task: AnyDocument): Change['task'] {
  return { availableAt: handleOf(task).stored.dueAt, waitingOn: undefined, recheckAt: undefined };
}

/** The bookkeeping of a failed attempt: the task's failures with one more. Empty without an error. */
export function failed(task: AnyDocument, error: unknown, at: Date): Change['task'] {
  if (error === undefined) return {};
  const { stored } = handleOf(task);
  const failure = { ...describe(error), at, attempt: stored.attempts ?? 0 };

  return { errors: [...(stored.errors ?? []), failure].slice(-MAX_FAILURES) };
}
