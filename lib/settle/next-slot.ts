import type { AnyDocument } from '../definition/definition';
import { State } from '../fields';
import { nextRun } from '../schedule/schedule';
import { handleOf } from '../task/handle';
import type { Change } from './change';

/**
 * Changes the end of a recurring task: instead of FINISHED or FAILED it is due again at its next slot, in the same write. A crash
 * before that write repeats the run; a crash after it does not. Any other change is returned as it is.
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

/** The slot that a retry of a recurring task keeps: the next slot is counted from it, not from the time of the retry. */
export function keptSlot(task: AnyDocument): Change['task'] {
  const { schedule, dueAt, slot = dueAt } = handleOf(task).stored;

  return schedule ? { slot } : {};
}
