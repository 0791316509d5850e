import { isDeepStrictEqual } from 'node:util';
import { type ClientSession, Types } from 'mongoose';
import { type AnyDocument, definitionOf, type Filter, modelOf } from '../definition/definition';
import { requireSettings } from '../definition/settings';
import { sessionOf, whenCommitted } from '../definition/transaction';
import { TaskStateError } from '../errors';
import { State } from '../fields';
import { announce } from '../notify/arrivals';
import { announceAt } from '../notify/due';
import { serverNow } from '../server/clock';
import { type Handle, handleOf } from '../task/handle';
import { holdFilter } from '../task/held';
import { requireSchedule } from '../task/stored-schedule';
import { trace } from '../task/trace';
import { refuseUnknown } from '../values/check';
import type { Change } from './change';
import { nextSlot } from './next-slot';
import { recognise } from './recognise';
import { readStoredState, refusal, type StoredState } from './refusal';
import { throwHookError } from './save';
import { keepForUndo } from './snapshot';
import { writeIf } from './write';

/** How often a settle is tried while the schedule of its task changes. */
const TRIES = 10;

export interface SettleOptions {
  /** A session, to settle in its transaction. */
  session?: ClientSession | null | undefined;
}

/** The words of the API, as they stand in the log. */
const PAST = { finish: 'finished', fail: 'failed', retry: 'retried', release: 'released' } as const;

export function settle<D extends AnyDocument>(
  task: D,
  verb: keyof typeof PAST,
  options: SettleOptions,
  changeAt: (now: Date) => Change,
): Promise<D> {
  // What is no document is refused by the settle itself.
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
    const now = await serverNow(model);
    requireSettings(model);
    if (task.isNew)
      throw new TaskStateError(
        `Expected ${model.modelName} ${String(task._id)} to be in the queue, but it was never stored. Call \`push()\` first.`,
        task._id,
        null,
      );

    const session = sessionOf(model, options);
    keepForUndo(session, task);
    const token = handle.settledWith ?? new Types.ObjectId(handle.lease?.token);
    const filter = handle.lease ? holdFilter(task) : { [fields.state]: State.CREATED };
    // Kept before it is sent: when the answer is lost, the caller's next try is recognised by it.
    handle.settledWith = token;
    const endAt = () => signed(changeAt(now), token);
    let written = nextSlot(task, endAt());
    const isAsStored = { ...filter, ...requireSchedule(handle.stored.schedule ?? null) };
    if (!(await writeIf(task, isAsStored, written, session)))
      written = await writeBySchedule(task, verb, filter, endAt, written, session);

    handle.lease = null;
    handle.settledAs = verb;
    trace(PAST[verb], task);
    // What was put back may be due later; the end of a task may release others at once.
    const { availableAt } = written.task;
    const isPutOff = availableAt && written.state === State.CREATED && verb !== 'release';
    whenCommitted(session, () => (isPutOff ? announceAt(model, availableAt, now) : announce(model)));
    throwHookError(task);
    return task;
  } finally {
    if (counted) counted.settlesEnded++;
  }
}

/** A change that says who made it, so that it is recognised when it is sent again. */
function signed(change: Change, token: Types.ObjectId): Signed {
  return { state: change.state, task: { ...change.task, token } };
}

type Signed = Change & { readonly task: { readonly token: Types.ObjectId } };

/**
 * Writes what becomes of a task by the schedule it has now: it may have been pushed with one, with another, or unscheduled, since
 * this handle read it, so that `change` did not match. Or the answer of an earlier, identical settle was lost, or the task is not ours to
 * settle.
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
      // In a transaction it is of an earlier one, which was committed: what else this one writes would be written twice.
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
