import { nextRun, type Schedule } from '../schedule/schedule';
import type { Bookkeeping } from '../task/bookkeeping';
import { NEVER } from '../values/check';
import { safely } from '../values/describe';

const NEXT = 5;
const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const;

/** What is shown of a schedule. */
export interface ShownSchedule {
  readonly text: string;
  readonly timeZone: string | null;
  /** When it runs next, five times at most. */
  readonly next: string[];
}

export function shownSchedule(schedule: Schedule, task: Bookkeeping, now: Date): ShownSchedule {
  const next = safely(() => nextRuns(schedule, task, now)) ?? [];

  return 'every' in schedule
    ? { text: `every ${duration(schedule.every)}`, timeZone: null, next }
    : { text: schedule.cron, timeZone: schedule.timeZone, next };
}

// The first one is stored: it may have been moved, or wait for a retry.
function nextRuns(schedule: Schedule, { dueAt }: Bookkeeping, now: Date): string[] {
  const first = dueAt && dueAt > now ? dueAt : nextRun(schedule, dueAt ?? now, now);
  const runs: Date[] = [];
  for (let run = first; runs.length < NEXT && run < NEVER; run = nextRun(schedule, run, run)) runs.push(run);

  return runs.map((run) => run.toISOString());
}

/** A time in the largest unit that it is a whole number of: `90 seconds`. */
export function duration(ms: number): string {
  const [name, unit] = UNITS.find(([, one]) => ms % one === 0) ?? (['millisecond', 1] as const);

  return `${ms / unit} ${name}${ms === unit ? '' : 's'}`;
}
