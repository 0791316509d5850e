import type { AnyDocument } from './definition';
import { State } from './fields';
import { handleOf } from './handle';
import { nextRun } from './schedule';
import type { Change } from './write';

/**
 * What the end of a run makes of a recurring task: instead of FINISHED or FAILED it is due again at its next slot, in the same
 * write. So a crash comes before that write, and the run is made again, or after it, and it is not. Null for a task that runs once.
 */
export function nextSlot(task: AnyDocument, end: Change): Change | null {
  const { schedule, dueAt } = handleOf(task).stored;
  const at = end.task.settledAt;
  if (!schedule || !at || (end.state !== State.FINISHED && end.state !== State.FAILED)) return null;

  const next = nextRun(schedule, dueAt ?? at, at);
  return {
    state: State.CREATED,
    task: {
      ...end.task,
      availableAt: next,
      dueAt: next,
      attempts: undefined,
      lastRun: { state: end.state, at, slot: dueAt ?? at },
    },
  };
}
