import type { ClientSession } from 'mongoose';
import { InvalidOptionError } from '../errors';
import type { TraceContext } from '../observe';
import { firstRun, resolveSchedule, type ScheduleOptions } from '../schedule/schedule';
import type { Bookkeeping } from '../task/bookkeeping';
import { MAX_DELAY_MS, refuseUnknown, requireDate, requireInteger, requireText } from '../values/check';
import { checkOnDuplicate, DUPLICATE_OPTIONS, type OnDuplicateOptions } from './on-duplicate';
import { checkStartBy, startByOf } from './start-by';

/** Options of `push()`. */
export interface PushOptions extends ScheduleOptions, OnDuplicateOptions {
  /** A session, to push in its transaction: the task is visible only after the commit. Default: none. */
  session?: ClientSession | null | undefined;

  /** How long the task waits before it can be popped, in milliseconds. Default: 0. */
  delayMs?: number | undefined;

  /** When the task can be popped, by the server's clock. Default: now. Not together with `delayMs`. */
  runAt?: Date | undefined;

  /**
   * When the task must have been started first, by the server's clock: a task that was not is CANCELLED, with the reason 'not started in
   * time'. A retry may come later. Not before the due time, not for recurring tasks, not together with `startWithinMs`. Default: none.
   */
  startBy?: Date | undefined;

  /** The same, in milliseconds from the due time. Default: none. */
  startWithinMs?: number | undefined;

  /** At most one live task (CREATED or RUNNING) has this key: a second push does what `onDuplicate` says. Default: none. */
  key?: string | undefined;
}

const KNOWN = [
  'session',
  'delayMs',
  'runAt',
  'startBy',
  'startWithinMs',
  'key',
  'every',
  'cron',
  'timeZone',
  ...DUPLICATE_OPTIONS,
];

/** @throws {InvalidOptionError} for options that do not fit, each or together. */
export function checkOptions(options: PushOptions): void {
  refuseUnknown(options, KNOWN, 'push()');
  const { delayMs, runAt, key } = options;
  if (delayMs !== undefined && runAt !== undefined)
    throw new InvalidOptionError('Expected `delayMs` or `runAt`, got both. Write one of them.');
  if (delayMs !== undefined) requireInteger('delayMs', delayMs, 0, MAX_DELAY_MS, 'milliseconds', '`delayMs: 60_000`');
  if (runAt !== undefined) requireDate('runAt', runAt, "`runAt: new Date('2030-01-01T00:00:00Z')`");
  checkStartBy(options);
  if (key !== undefined) requireText('key', key, "`key: 'invoice-42'`");
  checkOnDuplicate(options);
  if (resolveSchedule(options) && key === undefined) {
    throw new InvalidOptionError(
      "Expected a `key` for a recurring task, got none: without it every start of the program would add another. Write for example `{ cron: '0 3 * * *', key: 'nightly' }`.",
    );
  }
}

/** What a push gives its task, by options that were checked. */
export function bookkeeping(now: Date, options: PushOptions, context?: TraceContext): Bookkeeping {
  const { delayMs = 0, runAt, key, onDuplicate, throttleMs, every, cron, timeZone } = options;
  // A time in the past means "as soon as possible", not "before tasks that have waited longer".
  const due = new Date(Math.max(now.getTime(), runAt ? runAt.getTime() : now.getTime() + delayMs));
  const schedule = resolveSchedule({ every, cron, timeZone });
  const first = schedule ? firstRun(schedule, due) : due;

  // A recurring task does not expire.
  return {
    availableAt: first,
    dueAt: first,
    ...(schedule ? { schedule } : { expiresFrom: first }),
    ...(key !== undefined && { key }),
    ...startByOf(due, options),
    ...(throttleMs !== undefined && { throttledUntil: new Date(now.getTime() + throttleMs) }),
    ...(onDuplicate === 'debounce' && { firstPushAt: now }),
    ...(context && { trace: context }),
  };
}
