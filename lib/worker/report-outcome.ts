import { type AnyDocument, type AnyModel, definitionOf, modelOf } from '../definition/definition';
import { TaskQueueError } from '../errors';
import { State } from '../fields';
import { trace } from '../task/trace';
import { lineOf } from '../values/describe';
import { shownId } from '../values/id';
import { conclude } from './conclude';
import type { WorkerEvents } from './events';
import type { HeldTask } from './held-task';
import type { Outcome } from './outcome';
import type { Thrown } from './perform';

/** Receives the events and errors of a run. */
export interface Told {
  announce<Name extends keyof WorkerEvents<AnyDocument>>(name: Name, ...values: WorkerEvents<AnyDocument>[Name]): void;
  report(error: unknown): void;
  /** Counts an outcome. Times are in milliseconds, null where they are not known. */
  record(model: AnyModel, outcome: string, waitMs: number | null, runMs: number | null): void;
}

/** `ending` stops the claims; `abandoned` stops the wait for held tasks. */
export interface Signals {
  readonly ending: AbortSignal;
  readonly abandoned: AbortSignal;
}

/** Settles a task by how its handler ended, and tells of it. It never rejects. */
export function concludeAndTell(
  held: HeldTask,
  thrown: Thrown | null,
  abandoned: AbortSignal,
  told: Told,
): Promise<void> {
  const run = () => concludeAndReport(held, thrown, abandoned, told);

  return held.observed ? held.observed.within(run) : run();
}

async function concludeAndReport(
  held: HeldTask,
  thrown: Thrown | null,
  abandoned: AbortSignal,
  told: Told,
): Promise<void> {
  held.isConcluding = true;
  try {
    const outcome = await conclude(held, thrown, abandoned, (error) => told.report(error));
    tellOutcome(told, held, outcome);
    if (thrown && !held.aborted) tellThrownAfter(told, held, outcome, thrown);
  } catch (error) {
    told.report(error);
  }
}

/** Emits the event that says how a task left the worker. */
export function tellOutcome(told: Told, held: HeldTask, { name, error, hookError }: Outcome): void {
  const { task } = held;
  told.record(modelOf(task), name, held.waitedMs, held.ranMs);
  if (hookError) told.report(hookError.error);
  if (name === 'lost') trace(name, task);
  if (name === 'finished' || name === 'released') told.announce(name, task);
  else told.announce(name, task, error);
}

/** Reports what a handler threw after it had settled its task: the error changes nothing any more. */
function tellThrownAfter(told: Told, { task }: HeldTask, { name }: Outcome, { reason }: Thrown): void {
  if (name !== 'finished' && name !== 'released') return;
  const what = `The handler of ${modelOf(task).modelName} ${shownId(task._id)} threw after the task was ${name}`;
  told.report(new TaskQueueError(`${what}: ${lineOf(reason)}`, { cause: reason }));
}

const ENDS: Record<string, 'failed' | 'cancelled'> = { [State.FAILED]: 'failed', [State.CANCELLED]: 'cancelled' };

/** Emits the event for a task whose attempt ended before it was handed out. */
export function tellFailed(told: Told, error: unknown, task: AnyDocument | null): void {
  if (!task) return told.report(error);
  const { state } = definitionOf(modelOf(task)).options.fields;
  const name = ENDS[task.get(state) as string] ?? 'retried';
  told.record(modelOf(task), name, null, null);
  told.announce(name, task, error);
}
