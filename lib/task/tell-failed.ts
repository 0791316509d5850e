import { type AnyDocument, type AnyModel, type Definition, definitionOf, modelOf } from '../definition/definition';
import { TaskCancelledError, TaskStateError } from '../errors';
import { State } from '../fields';
import { lineOf } from '../values/describe';
import { shownId } from '../values/id';
import { LEASE_ENDED } from './handle';

/**
 * Called for a task whose attempt ended before the task was handed out: it had used all attempts without being settled, it was cancelled
 * while nobody held it, or the task, or a document it refers to, cannot be read. `task` is null where no document can be made of it. Never throws.
 */
export type TellFailed = (error: TaskStateError | TaskCancelledError, task: AnyDocument | null) => void;

export function crashed(task: AnyDocument): TaskStateError {
  const { modelName } = modelOf(task);
  const { maxAttempts, fields } = definitionOf(modelOf(task)).options;

  return new TaskStateError(
    `${modelName} ${shownId(task._id)} has used its ${maxAttempts} attempts and was failed: ${LEASE_ENDED}`,
    task._id,
    task.get(fields.state) as string,
  );
}

type OfModel = Pick<Definition, 'model'>;

export function unreadable(definition: OfModel, id: unknown, cause: unknown): TaskStateError {
  return because(definition, id, 'cannot be handed out, which counts as a failed attempt', cause);
}

/** Of a task that no write by its `_id` reaches. */
export function nameless({ model }: OfModel, id: unknown, reason: string): TaskStateError {
  return new TaskStateError(`${model.modelName} ${shownId(id)} was failed: ${reason}`, id, State.FAILED);
}

/** The error for a task that `blocked()` leaves out. */
export function unlisted(definition: OfModel, id: unknown, cause: unknown): TaskStateError {
  return because(definition, id, 'cannot be listed', cause);
}

function because({ model }: OfModel, id: unknown, what: string, cause: unknown): TaskStateError {
  const error = new TaskStateError(`${model.modelName} ${shownId(id)} ${what}: ${lineOf(cause)}`, id, null);

  return Object.assign(error, { cause });
}

/** Reports tasks of `pop()` and `popMany()` to the model's `error` listeners. */
export function tellModel(model: AnyModel): TellFailed {
  return (error) => {
    // That is an end that somebody asked for.
    if (error instanceof TaskCancelledError) return;
    const warn = (thrown: unknown) => process.emitWarning(lineOf(thrown), 'TaskQueueWarning');
    for (const listener of model.listeners('error') as ((error: unknown) => unknown)[])
      (async () => listener.call(model, error))().catch(warn);
  };
}
