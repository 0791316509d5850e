import { Cron, CronPattern } from 'croner';
import { InvalidOptionError } from '../errors';
import { wallClock } from '../timers';
import { MAX_DELAY_MS, NEVER, requireInteger, requireText, wrongValue } from '../values/check';
import { Zone } from './zone';

/** The schedule of a recurring task, as it is stored with the task. */
export type Schedule = { readonly every: number } | { readonly cron: string; readonly timeZone: string };

/** When a task runs again, without an end. */
export interface ScheduleOptions {
  /** Runs the task again and again, this many milliseconds after its last run was due. Needs a `key`. Default: none. */
  every?: number | undefined;

  /**
   * Runs the task at these times, for example `'0 3 * * *'`: minute, hour, day, month, weekday; with six fields, seconds come first. Needs
   * a `key`. Default: none.
   */
  cron?: string | undefined;

  /** The time zone of `cron`, by its IANA name. Default: `'UTC'`. */
  timeZone?: string | undefined;
}

/** Checks the options of a recurring task. Returns null for a task that runs once. @throws {InvalidOptionError} */
export function resolveSchedule({ every, cron, timeZone }: ScheduleOptions): Schedule | null {
  if (every !== undefined && cron !== undefined)
    throw new InvalidOptionError('Expected `every` or `cron`, got both. Write one of them.');
  if (timeZone !== undefined && cron === undefined)
    throw new InvalidOptionError(
      "Expected `timeZone` together with `cron`. Write for example `cron: '0 3 * * *', timeZone: 'Europe/Berlin'`.",
    );
  if (every !== undefined) {
    requireInteger('every', every, 1, MAX_DELAY_MS, 'milliseconds', '`every: 60_000`');
    return { every };
  }
  if (cron === undefined) return null;

  requireText('cron', cron, "`cron: '0 3 * * *'`");
  requireTimeZone(timeZone);
  const schedule = { cron, timeZone: timeZone ?? 'UTC' };
  if (firstAfter(schedule, new Date(wallClock())) === null)
    throw wrongValue('cron', 'a pattern that has a next time', cron, "`cron: '0 3 * * *'`");
  return schedule;
}

/** Whether a stored value is a schedule: another program, or a system with other time zones, may have written it. */
export function isSchedule(value: unknown): value is Schedule {
  const { every, cron, timeZone } = (value ?? {}) as { every?: unknown; cron?: unknown; timeZone?: unknown };
  const names = Object.keys(value ?? {}).length;
  if (names === 1) return Number.isInteger(every) && (every as number) >= 1 && (every as number) <= MAX_DELAY_MS;
  if (names !== 2 || typeof cron !== 'string' || typeof timeZone !== 'string') return false;
  try {
    firstAfter({ cron, timeZone }, new Date(0));
    return true;
  } catch {
    return false;
  }
}

/** When a recurring task runs first after its push: at once with `every`, at its next time with `cron`. */
export function firstRun(schedule: Schedule, now: Date): Date {
  return 'every' in schedule ? now : nextRun(schedule, now, now);
}

/**
 * The next slot of a task whose run was due at `dueAt` and ended at `now`. Slots that passed meanwhile are skipped: after a day without
 * workers, a task that recurs every minute runs once, not a thousand times, and then at its usual times.
 */
export function nextRun(schedule: Schedule, dueAt: Date, now: Date): Date {
  if ('every' in schedule) {
    const { every } = schedule;
    const missed = Math.max(0, Math.floor((now.getTime() - dueAt.getTime()) / every));
    return new Date(dueAt.getTime() + (missed + 1) * every);
  }
  const after = new Date(Math.max(dueAt.getTime(), now.getTime()));

  // A pattern with a fixed year has a last time; after it the task waits until it is unscheduled.
  return firstAfter(schedule, after) ?? NEVER;
}

/**
 * The first time of a pattern after a moment. When the local clock is changed, a pattern that lists its times runs once for each: a time
 * that is skipped runs at the moment of the change, a time that comes twice runs the first time. A pattern with a wildcard or a step in
 * hour, minute or second follows the local clock.
 */
function firstAfter({ cron, timeZone }: { cron: string; timeZone: string }, after: Date): Date | null {
  try {
    const { isFixedTime } = new CronPattern(cron, undefined, { fixedTimeRule: 'no-wildcard' });

    return isFixedTime
      ? firstListed(cron, new Zone(timeZone), after)
      : new Cron(cron, { timezone: timeZone }).nextRun(after);
  } catch (error) {
    throw Object.assign(wrongValue('cron', 'a cron pattern', cron, "`cron: '0 3 * * *'`"), { cause: error });
  }
}

// Later local times are never earlier moments, so the first moment after `after` is the next.
function firstListed(cron: string, zone: Zone, after: Date): Date | null {
  const onTheWall = new Cron(cron, { timezone: 'UTC' });
  for (let wall = onTheWall.nextRun(zone.wallAt(after)); wall; wall = onTheWall.nextRun(wall)) {
    const moment = zone.momentOf(wall);
    if (moment > after) return moment;
  }

  return null;
}

function requireTimeZone(timeZone: string | undefined): void {
  if (timeZone === undefined) return;
  try {
    new Intl.DateTimeFormat('en', { timeZone });
  } catch {
    throw wrongValue('timeZone', 'the name of a time zone', timeZone, "`timeZone: 'Europe/Berlin'`");
  }
}
