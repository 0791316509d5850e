import { type ClientSession, Types } from 'mongoose';
import { type AnyDocument, definitionOf, type Filter, modelOf } from '../definition/definition';
import { requireSettings } from '../definition/settings';
import { sessionOf, whenCommitted } from '../definition/transaction';
import { TaskStateError } from '../errors';
import { State } from '../fields';
import { announce } from '../notify/announce';
import { announceAt } from '../notify/due';
import { whileSettling } from '../observe';
import { knownNow, serverNow } from '../server/clock';
import { type Bookkeeping, type Handle, handleOf } from '../task/handle';
import { holdFilter } from '../task/held';
import { trace } from '../task/trace';
import { refuseUnknown } from '../values/check';
import { shownId } from '../values/id';
import { atNextSlot, follow, writeEnd } from './aside';
import type { Change } from './change';
import { changeBy, expectedOf, isAsExpected, knownOf } from './expected';
import { recognise } from './recognise';
import { readStoredState, refusal, type StoredState } from './refusal';
import { throwHookError } from './save';
import { keepForUndo } from './snapshot';

/** At most this many tries of a settle while others change its task. */
const TRIES = 10;

/** Options of `finish()`, `fail()` and `release()`. */
export interface SettleOptions {
  /** A session, to settle in its transaction. Default: none. */
  session?: ClientSession | null | undefined;
}

/** The verbs as they are logged. */
const PAST = { finish: 'finished', fail: 'failed', retry: 'retried', release: 'released' } as const;

/** A settle, apart from its task. */
interface Settle {
  readonly verb: keyof typeof PAST;
  readonly options: SettleOptions;
  readonly changeAt: (now: Date) => Change;
  /** Whether a request to cancel the task makes it CANCELLED instead. */
  readonly givesWay: boolean;
}

export type Verb = keyof typeof PAST;

export function settle<D extends AnyDocument>(
  task: D,
  verb: Verb,
  options: SettleOptions,
  changeAt: (now: Date) => Change,
  givesWay = false,
): Promise<D> {
  // A value that is no document is refused in `settleOnce()`.
  const handle = (task as unknown) !== null && typeof task === 'object' ? handleOf(task) : null;
  if (handle) handle.settlesBegun++;
  const ended = whileSettling(task, verb, () => settleOnce(task, { verb, options, changeAt, givesWay }, handle));
  if (handle) handle.settling = { verb, ended };

  return ended;
}

// One write decides. A handle with a lease must still hold it; one without may settle a task that nobody holds.
async function settleOnce<D extends AnyDocument>(
  task: D,
  { verb, options, changeAt, givesWay }: Settle,
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
    const earlier = handle.settledWith;
    const token = earlier ?? new Types.ObjectId(handle.lease?.token);
    // A handle may sign with another token than that of its lease.
    const held = earlier ? undefined : token;
    const filter = handle.lease ? holdFilter(task, held) : { [fields.state]: State.CREATED };
    // Kept before the write is sent: if the answer is lost, the caller's next try recognises its own write by this token.
    handle.settledWith = token;
    const endAt = () => changeBy(handle.stored, atNextSlot(task, signed(changeAt(now), token)), now, givesWay);
    let { aside } = handle.stored;
    const asKnown = Object.assign({}, filter, expectedOf(knownOf(handle.stored), givesWay));
    const end = endAt();
    let written = await writeEnd(task, asKnown, end, session);
    if (!written) {
      const noteAside = (stored: Bookkeeping) => ({ aside } = stored);
      written = await writeAsFound(task, { verb, filter, endAt, givesWay, noteAside }, end, session);
    }

    handle.lease = null;
    const isCancelled = written.state === State.CANCELLED;
    handle.settledAs = isCancelled ? 'cancel' : verb;
    trace(isCancelled ? 'cancelled' : PAST[verb], task);
    // A task that was put back may be due later; the end of a task may make others ready at once.
    const { availableAt } = written.task;
    const isPutOff = availableAt && written.state === State.CREATED;
    whenCommitted(session, () => (isPutOff ? announceAt(model, availableAt, now) : announce(model)));
    if (aside) await follow(task, aside, written, session);
    throwHookError(task);
    return task;
  } finally {
    if (counted) counted.settlesEnded++;
  }
}

/** The change with the token of its handle, by which it is recognised when it is sent again. */
function signed(change: Change, token: Types.ObjectId): Signed {
  return Object.assign(change, { task: Object.assign(change.task, { token }) });
}

type Signed = Change & { readonly task: { readonly token: Types.ObjectId } };

interface Attempt {
  readonly verb: Verb;
  readonly filter: Filter;
  /** The change by what the handle knows of its task. */
  readonly endAt: () => Signed;
  readonly givesWay: boolean;
  /** Called with what is found of the task before it is written again. */
  readonly noteAside: (stored: Bookkeeping) => void;
}

/**
 * Called when `change` did not match. If an earlier, identical settle was written and its answer lost, that settle counts. If others have
 * changed of the task what they may change while it is held, the settle is sent again by what is there. Otherwise the task is not this
 * handle's.
 */
async function writeAsFound(
  task: AnyDocument,
  { verb, filter, endAt, givesWay, noteAside }: Attempt,
  change: Signed,
  session: ClientSession | null,
): Promise<Signed> {
  const handle = handleOf(task);
  const { lease } = handle;
  let known = knownOf(handle.stored);
  for (let tries = 1; ; tries++) {
    const found = await readStoredState(task, session);
    const own = ownEnd(found, change, givesWay);
    if (own) {
      // In a transaction the write was that of an earlier, committed one: whatever else this one writes would be written twice.
      if (lease && session?.inTransaction()) throw refusal(task, verb, found);
      await recognise(task, own, session);
      return own;
    }
    const isLost = !found || (lease !== null && !found.token?.equals(lease.token));
    if (isLost || tries === TRIES || isAsExpected(known, found, givesWay)) throw refusal(task, verb, found);
    handle.stored = { ...handle.stored, ...found.changeable };
    known = { ...knownOf(handle.stored), schedule: found.schedule };
    noteAside(handle.stored);
    change = endAt();
    const written = await writeEnd(task, { ...filter, ...expectedOf(known, givesWay) }, change, session);
    if (written) return written;
  }
}

/** The change that an earlier try of this settle wrote, if one did. */
function ownEnd(found: StoredState | null, change: Signed, givesWay: boolean): Signed | null {
  if (!found?.token?.equals(change.task.token)) return null;
  if (found.state === change.state) return change;

  // It found a request to cancel the task.
  const isCancelled = givesWay && found.state === State.CANCELLED;
  return isCancelled ? { state: State.CANCELLED, task: { ...found.changeable, token: change.task.token } } : null;
}
