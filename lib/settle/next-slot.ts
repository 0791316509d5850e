import type { AnyDocument } from '../definition/definition';
import { State } from '../fields';
import { nextRun } from '../schedule/schedule';
import { handleOf } from '../task/handle';
import type { Change } from './change';

/**
 * What the end of a run makes of a recurring task: instead of FINISHED or FAILED it is due again at its next slot, in the same
 * write. So a crash comes before that write, and the run is made again, or after it, and it is not. Other changes stay as they are.
 */
export function nextSlot<C extends Change>(task: AnyDocument, end: C): C {
  const { schedule, dueAt, slot = dueAt } = handleOf(task).stored;
  const at = end.task.settledAt;
  if (!schedule || !at || (end.state !== State.FINISHED && end.state !== State.FAILED)) return end;

  const next = nextRun(schedule, slot ?? at, at);
  return {
    ...end,
    state: State.CREATED,
    task: {
      ...end.task,
      availableAt: next,
      dueAt: next,
      attempts: undefined,
      slot: undefined,
      lastRun: { state: end.state, at, slot: slot ?? at },
    },
  };
}

/** What a retry keeps of a recurring task: the next slot is counted from the one it is for, not from when it is tried again. */
export function keptSlot(task: AnyDocument): Change['task'] {
  const { schedule, dueAt, slot = dueAt } = handleOf(task).stored;

  return schedule ? { slot } : {};
}
