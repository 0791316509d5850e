import { type AnyModel, definitionOf, modelOf } from '../definition/definition';
import { knownControl } from '../side/control';
import { pausedIn } from '../side/pause';
import { handleOf } from '../task/handle';
import type { HeldTask } from './held-task';

/** What a worker does now. */
export interface WorkerStatus {
  /** `paused`: all its models are, for all processes. `stopping`: it claims nothing more, and waits for what it holds. */
  state: 'running' | 'paused' | 'stopping' | 'stopped';
  /** The tasks it has claimed. */
  held: {
    /** Its `_id`. */
    id: unknown;
    /** The name of its model. */
    model: string;
    /** When the task was claimed, by the server's clock. */
    since: Date | null;
    /** Until when its lease lasts, unless it is renewed; null for one that was just settled. */
    leaseUntil: Date | null;
  }[];
}

export function heldStatus({ task }: HeldTask): WorkerStatus['held'][number] {
  const { lease, stored } = handleOf(task);

  return {
    id: task._id,
    model: modelOf(task).modelName,
    since: stored.startedAt ?? null,
    leaseUntil: lease?.until ?? null,
  };
}

/** Whether nothing of any of the models can be claimed. */
export function areAllPaused(models: readonly AnyModel[]): boolean {
  return models.every((model) => pausedBy(model)?.isWhole === true);
}

/** Whether anything of any of the models is paused. */
export function isAnyPaused(models: readonly AnyModel[]): boolean {
  return models.some((model) => {
    const paused = pausedBy(model);
    return paused !== null && (paused.isWhole || paused.categories.size > 0 || paused.kinds.length > 0);
  });
}

function pausedBy(model: AnyModel) {
  const control = knownControl(model);

  return control && pausedIn(definitionOf(model), control);
}
