import type { Filter } from '../definition/definition';
import { isSchedule, type Schedule } from '../schedule/schedule';

/** The path of a task's schedule. */
const PATH = '_task.schedule';

/**
 * The filter for tasks with this stored schedule; null for none. A value that is no schedule, written by another program, is not compared:
 * what the driver makes of it need not be equal to it.
 */
export function requireSchedule(schedule: unknown): Filter {
  if (schedule === null) return { [PATH]: null };

  return isSchedule(schedule) ? { [PATH]: { $eq: schedule } } : {};
}

/** Whether a filter lets only tasks without a schedule through. */
export function isUnscheduled(filter: Filter): boolean {
  return filter[PATH] === null;
}

/** The schedule in a stored value. A schedule that `push()` would refuse counts as none. */
export function scheduleIn(value: unknown): Schedule | undefined {
  return isSchedule(value) ? value : undefined;
}
