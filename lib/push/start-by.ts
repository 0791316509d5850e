import type { ClientSession } from 'mongoose';
import { endOverdueAt } from '../cancel/overdue';
import { noteStartBy, startByReady } from '../cancel/start-by-index';
import type { AnyModel } from '../definition/definition';
import { whenCommitted } from '../definition/transaction';
import { InvalidOptionError } from '../errors';
import type { Bookkeeping } from '../task/bookkeeping';
import { MAX_DELAY_MS, requireDate, requireInteger, wrongValue } from '../values/check';

interface StartOptions {
  readonly startBy?: Date | undefined;
  readonly startWithinMs?: number | undefined;
  readonly every?: unknown;
  readonly cron?: unknown;
}

/** @throws {InvalidOptionError} for values that no task can have. */
export function checkStartBy({ startBy, startWithinMs, every, cron }: StartOptions): void {
  if (startBy === undefined && startWithinMs === undefined) return;
  if (startBy !== undefined && startWithinMs !== undefined)
    throw new InvalidOptionError('Expected `startBy` or `startWithinMs`, got both. Write one of them.');
  if (every !== undefined || cron !== undefined)
    throw new InvalidOptionError(
      'Expected no `startBy` for a recurring task: a slot that was missed runs once, late. Leave it out.',
    );
  if (startBy !== undefined) requireDate('startBy', startBy, "`startBy: new Date('2030-01-01T00:00:00Z')`");
  if (startWithinMs !== undefined)
    requireInteger('startWithinMs', startWithinMs, 0, MAX_DELAY_MS, 'milliseconds', '`startWithinMs: 60_000`');
}

/** The bookkeeping of a task that is due at `due`. @throws {InvalidOptionError} for a `startBy` before that. */
export function startByOf(due: Date, { startBy, startWithinMs }: StartOptions): Pick<Bookkeeping, 'startBy'> {
  if (startBy !== undefined && startBy < due)
    throw wrongValue(
      'startBy',
      `a Date that is not before the due time, ${due.toISOString()}`,
      startBy,
      '`startWithinMs: 60_000`',
    );
  if (startWithinMs !== undefined) return { startBy: new Date(due.getTime() + startWithinMs) };

  return startBy === undefined ? {} : { startBy };
}

/** Before the first such task is stored, its index is made, and those who work the queue can hear of it. */
export async function prepareStartBy(
  model: AnyModel,
  { startBy }: Bookkeeping,
  session: ClientSession | null,
): Promise<void> {
  if (startBy === undefined) return;
  if (!session?.inTransaction()) return startByReady(model);

  // An index cannot be built beside a transaction that has written to the collection: it is built when that has ended, by those who work the
  // queue if this process cannot.
  await noteStartBy(model);
  whenCommitted(session, () => void startByReady(model).catch(() => {}));
}

export function watchStartBy(
  model: AnyModel,
  { startBy }: Bookkeeping,
  now: Date,
  session: ClientSession | null,
): void {
  if (startBy !== undefined) whenCommitted(session, () => endOverdueAt(model, startBy, now));
}
