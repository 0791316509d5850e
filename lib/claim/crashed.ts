import { definitionOf, modelOf, type AnyDocument } from '../definition';
import { lineOf } from '../describe';
import { TaskStateError } from '../errors';
import { LEASE_ENDED } from '../handle';

/** Hears of a task that was failed because it had used its attempts without being settled. Never throws. */
export type TellCrashed = (error: TaskStateError, task: AnyDocument) => void;

export function crashed(task: AnyDocument): TaskStateError {
  const { modelName } = modelOf(task);
  const { maxAttempts, fields } = definitionOf(modelOf(task)).options;

  return new TaskStateError(
    `${modelName} ${String(task._id)} has used its ${maxAttempts} attempts and was failed: ${LEASE_ENDED}`,
    task._id,
    task.get(fields.state) as string,
  );
}

/** Who pops by hand is told by the model's `error` listeners. */
export const tellModel: TellCrashed = (error, task) => {
  const model = modelOf(task);
  if (model.listenerCount('error') === 0) return;
  try {
    model.emit('error', error);
  } catch (thrown) {
    process.emitWarning(lineOf(thrown), 'TaskQueueWarning');
  }
};
