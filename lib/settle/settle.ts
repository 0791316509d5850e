import { isDeepStrictEqual } from 'node:util';
import { type ClientSession, Types } from 'mongoose';
import { type AnyDocument, definitionOf, type Filter, modelOf } from '../definition/definition';
import { requireSettings } from '../definition/settings';
import { sessionOf, whenCommitted } from '../definition/transaction';
import { TaskStateError } from '../errors';
import { State } from '../fields';
import { announce } from '../notify/arrivals';
import { announceAt } from '../notify/due';
import { knownNow, serverNow } from '../server/clock';
import { type Handle, handleOf } from '../task/handle';
import { holdFilter } from '../task/held';
import { requireSchedule } from '../task/stored-schedule';
import { trace } from '../task/trace';
import { refuseUnknown } from '../values/check';
import { shownId } from '../values/id';
import type { Change } from './change';
import { nextSlot } from './next-slot';
import { recognise } from './recognise';
import { readStoredState, refusal, type StoredState } from './refusal';
import { throwHookError } from './save';
import { keepForUndo } from './snapshot';
import { writeIf } from './write';

/** At most this many tries of a settle while the schedule of its task changes. */
const TRIES = 10;

/** Options of `finish()`, `fail()` and `release()`. */
export interface SettleOptions {
  /** A session, to settle in its transaction. Default: none. */
  session?: ClientSession | null | undefined;
}

/** The verbs as they are logged. */
const PAST = { finish: 'finished', fail: 'failed', retry: 'retried', release: 'released' } as const;

export function settle<D extends AnyDocument>(
  task: D,
  verb: keyof typeof PAST,
  options: SettleOptions,
  changeAt: (now: Date) => Change,
): Promise<D> {
  // A value that is no document is refused in `settleOnce()`.
  const handle = (task as unknown) !== null && typeof task === 'object' ? handleOf(task) : null;
  if (handle) handle.settlesBegun++;
  const ended = settleOnce(task, verb, options, changeAt, handle);
  if (handle) handle.settling = { verb, ended };

  return ended;
}

// One write decides. A handle with a lease must still hold it; one without may settle a task that nobody holds.
async function settleOnce<D extends AnyDocument>(
  task: D,
  verb: keyof typeof PAST,
  options: SettleOptions,
  changeAt: (now: Date) => Change,
  counted: Handle | null,
): Promise<D> {
  try {
    refuseUnknown(options, ['session'], `${verb}()`);
    const {
      model,
      options: { fields },
    } = definitionOf(modelOf(task));
    const handle = handleOf(task);
    const now = knownNow(model) ?? (await serverNow(model));
    requireSettings(model);
    if (task.isNew)
      throw new TaskStateError(
        `Expected ${model.modelName} ${shownId(task._id)} to be in the queue, but it was never stored. Call \`push()\` first.`,
        task._id,
        null,
      );

    const session = sessionOf(model, options);
    keepForUndo(session, task);
    const token = handle.settledWith ?? new Types.ObjectId(handle.lease?.token);
    const filter = handle.lease ? holdFilter(task) : { [fields.state]: State.CREATED };
    // Kept before the write is sent: if the answer is lost, the caller's next try recognises its own write by this token.
    handle.settledWith = token;
    const endAt = () => signed(changeAt(now), token);
    let written = nextSlot(task, endAt());
    const isAsStored = { ...filter, ...requireSchedule(handle.stored.schedule ?? null) };
    if (!(await writeIf(task, isAsStored, written, session)))
      written = await writeBySchedule(task, verb, filter, endAt, written, session);

    handle.lease = null;
    handle.settledAs = verb;
    trace(PAST[verb], task);
    // A task that was put back may be due later; the end of a task may make others ready at once.
    const { availableAt } = written.task;
    const isPutOff = availableAt && written.state === State.CREATED && verb !== 'release';
    whenCommitted(session, () => (isPutOff ? announceAt(model, availableAt, now) : announce(model)));
    throwHookError(task);
    return task;
  } finally {
    if (counted) counted.settlesEnded++;
  }
}

/** The change with the token of its handle, by which it is recognised when it is sent again. */
function signed(change: Change, token: Types.ObjectId): Signed {
  return { state: change.state, task: { ...change.task, token } };
}

type Signed = Change & { readonly task: { readonly token: Types.ObjectId } };

/**
 * Called when `change` did not match. If an earlier, identical settle was written and its answer lost, that settle counts. If the task's
 * schedule was changed since this handle read it, the settle is sent again for the new schedule. Otherwise the task is not this handle's.
 */
async function writeBySchedule(
  task: AnyDocument,
  verb: string,
  filter: Filter,
  endAt: () => Signed,
  change: Signed,
  session: ClientSession | null,
): Promise<Signed> {
  const handle = handleOf(task);
  let stored: unknown = handle.stored.schedule ?? null;
  for (let tries = 1; ; tries++) {
    const found = await readStoredState(task, session);
    if (isOwn(found, change)) {
      // In a transaction the write was that of an earlier, committed one: whatever else this one writes would be written twice.
      if (handle.lease && session?.inTransaction()) throw refusal(task, verb, found);
      await recognise(task, change, session);
      return change;
    }
    if (!found || tries === TRIES || isDeepStrictEqual(found.schedule, stored)) throw refusal(task, verb, found);
    stored = found.schedule;
    handle.stored = { ...handle.stored, ...found.recurrence };
    change = nextSlot(task, endAt());
    if (await writeIf(task, { ...filter, ...requireSchedule(stored) }, change, session)) return change;
  }
}

function isOwn(found: StoredState | null, { state, task }: Signed): boolean {
  return found !== null && found.state === state && (found.token?.equals(task.token) ?? false);
}
