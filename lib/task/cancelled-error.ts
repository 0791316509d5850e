import { type AnyDocument, type AnyModel, modelOf } from '../definition/definition';
import { TaskCancelledError } from '../errors';
import { shownId } from '../values/id';

/** The error for a task that was cancelled. `until`: until when it may still be finished; null once it is CANCELLED. */
export function cancelledError(task: AnyDocument, reason: string | undefined, until: Date | null): TaskCancelledError {
  return cancelledOf(modelOf(task), task._id, reason, until);
}

/** The error for a cancelled task of which there is no document. */
export function cancelledOf(
  { modelName }: AnyModel,
  id: unknown,
  reason: string | undefined,
  until: Date | null,
): TaskCancelledError {
  const why = reason === undefined ? '' : `: ${reason}`;
  const then = until === null ? '' : ` It can be finished until ${until.toISOString()}.`;

  return new TaskCancelledError(`${modelName} ${shownId(id)} was cancelled${why}.${then}`, id, reason, until);
}
