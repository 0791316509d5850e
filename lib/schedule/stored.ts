import { isSchedule, type Schedule } from './schedule';
import type { Filter } from '../definition';

/** The path of a task's schedule. */
const PATH = '_task.schedule';

/** The filter for tasks whose schedule is stored so; null for none. It may be of another program, and of any type. */
export function requireSchedule(schedule: unknown): Filter {
  return { [PATH]: schedule === null ? null : { $eq: schedule } };
}

/** Whether a filter lets only tasks without a schedule through. */
export function isUnscheduled(filter: Filter): boolean {
  return filter[PATH] === null;
}

/** The schedule in a stored value. One that could not have been pushed counts as none. */
export function scheduleIn(value: unknown): Schedule | undefined {
  return isSchedule(value) ? value : undefined;
}
