import { type AnyDocument, definitionOf, modelOf } from '../definition/definition';
import { State } from '../fields';
import { type Cancellation, cancellationOf, isOpen } from '../task/cancellation';
import { handleOf } from '../task/handle';

/** A request to cancel a task that is held. */
export interface CancelRequest extends Cancellation {
  /** Until when the task may still be finished, by the server's clock. */
  readonly until: Date | null;
}

/** See `TaskMethods.cancelled`. */
export function cancelled(task: object): Cancellation | null {
  return stateOf(task) === State.CANCELLED ? cancellationOf(handleOf(task).stored) : null;
}

/** See `TaskMethods.cancelRequested`. */
export function cancelRequested(task: object): CancelRequest | null {
  const { stored } = handleOf(task);
  if (stateOf(task) !== State.RUNNING || !isOpen(stored)) return null;

  return { ...cancellationOf(stored), until: stored.availableAt ?? null };
}

function stateOf(task: object): unknown {
  const document = task as AnyDocument;

  return document.get(definitionOf(modelOf(document)).options.fields.state);
}
