import { type AnyDocument, definitionOf, modelOf } from '../definition/definition';
import { TaskQueueError } from '../errors';
import { State } from '../fields';
import { trace } from '../task/trace';
import { lineOf } from '../values/describe';
import type { Outcome } from './conclude';
import type { WorkerEvents } from './events';
import type { HeldTask } from './held-task';
import type { Thrown } from './perform';

/** Who is told of what happens. */
export interface Told {
  announce<Name extends keyof WorkerEvents<AnyDocument>>(name: Name, ...values: WorkerEvents<AnyDocument>[Name]): void;
  report(error: unknown): void;
}

/** Tells how a task left the worker. */
export function tellOutcome(told: Told, { task }: HeldTask, { name, error, hookError }: Outcome): void {
  if (hookError) told.report(hookError.error);
  if (name === 'lost') trace(name, task);
  if (name === 'finished' || name === 'released') told.announce(name, task);
  else told.announce(name, task, error);
}

/** Tells what a handler threw although it had settled its task by itself, so that the error decides nothing any more. */
export function tellThrownAfter(told: Told, { task }: HeldTask, { name }: Outcome, { reason }: Thrown): void {
  if (name !== 'finished' && name !== 'released') return;
  const what = `The handler of ${modelOf(task).modelName} ${String(task._id)} threw after the task was ${name}`;
  told.report(new TaskQueueError(`${what}: ${lineOf(reason)}`, { cause: reason }));
}

/** Tells of a task whose attempt ended without it being handed out. */
export function tellFailed(told: Told, error: unknown, task: AnyDocument | null): void {
  if (!task) return told.report(error);
  const { state } = definitionOf(modelOf(task)).options.fields;
  told.announce(task.get(state) === State.FAILED ? 'failed' : 'retried', task, error);
}
