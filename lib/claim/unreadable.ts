import { defaultBackoff, waitAfter } from '../backoff';
import { collectionOf, type Definition, type RawDocument } from '../definition/definition';
import { State } from '../fields';
import { nextRun } from '../schedule/schedule';
import { persistently } from '../server/transient';
import { type Bookkeeping, readBookkeeping } from '../task/bookkeeping';
import { cancelledOr, plainKey } from '../task/cancellation';
import { ended, withFailure } from '../task/ending';
import { heldBy } from '../task/held';
import { describe } from '../values/describe';
import { followEnds, isKeyed } from './behind';

/**
 * Charges the attempt of a claimed task of which no document can be made, because a hook of its schema or a cast throws: the task comes
 * back with backoff, and fails after its last attempt, as after an error of a handler.
 */
export async function failUnreadable(definition: Definition, raw: RawDocument, error: unknown): Promise<void> {
  const { model, options, writeConcern } = definition;
  const task = readBookkeeping({ ...(raw['_task'] as Bookkeeping) });
  const { token, attempts = 1, aside } = task;
  const isLast = attempts >= options.maxAttempts;
  // Of a recurring task that is aside, the successor recurs.
  const isOver = isLast && (!task.schedule || aside !== undefined);
  const nextAt = isLast && !isOver ? nextSlotAt(task) : null;
  const dueAt = nextAt ?? { $add: ['$$NOW', waitMs(definition, attempts)] };
  const end = isOver
    ? { ...ended(definition, State.FAILED), '_task.key': plainKey }
    : {
        [options.fields.state]: State.CREATED,
        '_task.availableAt': dueAt,
        '_task.dueAt': dueAt,
        ...expiresFrom(dueAt),
        ...(nextAt && { '_task.attempts': '$$REMOVE', '_task.slot': '$$REMOVE' }),
      };
  const update = [
    { $set: { ...cancelledOr(definition, end), ...withFailure({ ...describe(error), attempt: attempts }) } },
  ];

  await persistently(() => collectionOf(model).updateOne(heldBy(definition, token!, [raw._id]), update, writeConcern));
  if (isKeyed(raw)) await followEnds(definition, { _id: raw._id });
}

/** A recurring task has no end: after its last attempt it is due at its next slot. */
function nextSlotAt({ schedule, startedAt, dueAt, slot = dueAt }: Bookkeeping): Date | null {
  return schedule && startedAt ? nextRun(schedule, slot ?? startedAt, startedAt) : null;
}

function waitMs({ options }: Definition, attempt: number): number {
  try {
    return waitAfter(attempt, options.backoff);
  } catch {
    return defaultBackoff(attempt);
  }
}

// A task that can expire does so counted from when it is due again.
function expiresFrom(dueAt: object): object {
  const canExpire = { $eq: [{ $type: '$_task.expiresFrom' }, 'date'] };

  return { '_task.expiresFrom': { $cond: [canExpire, { $max: ['$_task.expiresFrom', dueAt] }, '$$REMOVE'] } };
}
