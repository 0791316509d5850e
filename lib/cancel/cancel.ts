import type { ClientSession } from 'mongoose';
import { followEnd } from '../claim/behind';
import { type AnyDocument, definitionOf, modelOf, type RawDocument } from '../definition/definition';
import { requireSettings } from '../definition/settings';
import { sessionOf, whenCommitted } from '../definition/transaction';
import { TaskStateError } from '../errors';
import { State } from '../fields';
import { announce } from '../notify/announce';
import { connected } from '../server/clock';
import { explained, throwExplained } from '../server/explain-error';
import { answered } from '../server/time-limit';
import { isNetworkError, isWriteConflict } from '../server/transient';
import { readStoredState, refusal, type StoredState } from '../settle/refusal';
import { keepForUndo } from '../settle/snapshot';
import { setQuietly } from '../settle/stage-changes';
import { signalCancel } from '../side/control';
import { readBookkeeping } from '../task/bookkeeping';
import { isOpen } from '../task/cancellation';
import { handleOf } from '../task/handle';
import { trace } from '../task/trace';
import { refuseUnknown, requireReason } from '../values/check';
import { shownId } from '../values/id';
import { cancelStored } from './request';

/** Options of `task.cancel()`. */
export interface CancelOptions {
  /** A text of 1 to 1 000 characters that tells others why. Default: none. */
  reason?: string | undefined;

  /** A session, to cancel in its transaction. Default: none. */
  session?: ClientSession | null | undefined;
}

/** At most this many tries while the task changes. */
const TRIES = 10;

/** See `TaskMethods.cancel`. */
export async function cancelTask<D extends AnyDocument>(task: D, options: CancelOptions = {}): Promise<D> {
  refuseUnknown(options, ['reason', 'session'], 'cancel()');
  checkReason(options.reason);
  const { model } = definitionOf(modelOf(task));
  await connected(model);
  requireSettings(model);
  const session = sessionOf(model, options);
  if (task.isNew) throw refused(task, null);

  keepForUndo(session, task);
  await new Cancelling(task, options.reason, session).done();
  trace('cancelled', task);
  whenCommitted(session, () => tell(task));
  return task;
}

export function checkReason(reason: unknown): void {
  requireReason(reason, "`reason: 'the order was withdrawn'`");
}

/** Those who hold the task hear of the request, and those who wait for it of its end. */
function tell(task: AnyDocument): void {
  const definition = definitionOf(modelOf(task));
  const { model, options } = definition;
  if (task.get(options.fields.state) === State.RUNNING) return void signalCancel(model);
  announce(model);
  void followEnd(definition, { _id: task._id, _task: handleOf(task).stored });
}

/** The cancel of one task: reads it and writes where it is as read, until one write has matched. */
class Cancelling {
  constructor(
    private readonly task: AnyDocument,
    private readonly reason: string | undefined,
    private readonly session: ClientSession | null,
  ) {}

  async done(): Promise<void> {
    for (let tries = 1; ; tries++) {
      const found = await this.#read();
      if (found.state === State.CANCELLED) return this.#adopt(found);
      if (!isLive(found)) throw refused(this.task, found);
      if (await this.#write(found)) return;
      if (tries === TRIES) throw refused(this.task, found);
    }
  }

  async #read(): Promise<StoredState> {
    const found = await readStoredState(this.task, this.session).catch(throwExplained);
    if (!found) throw refused(this.task, null);

    return found;
  }

  /** Resolves to whether the task is cancelled; false if it was not as read. */
  async #write(read: StoredState): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      try {
        const written = await this.#send(read);
        if (written) this.#take(written);
        return written !== null;
      } catch (error) {
        if (this.session?.inTransaction() || tries === TRIES) throw explained(error);
        if (isWriteConflict(error)) continue;
        if (!isNetworkError(error)) throw explained(error);
        // It may have been written, or may yet be.
        const found = await this.#read();
        if (found.state === State.CANCELLED || (isLive(found) && isOpen(found.changeable))) {
          this.#adopt(found);
          return true;
        }
        // Whatever else it has become, the cancel may have come before that: a new one could meet what was pushed since.
        if (found.state !== read.state || String(found.token) !== String(read.token)) throw explained(error);
      }
    }
  }

  #send({ state, token }: StoredState): Promise<RawDocument | null> {
    const definition = definitionOf(modelOf(this.task));
    const asRead = { _id: this.task._id as unknown, state: state!, token };

    return answered(cancelStored(definition, asRead, this.reason, this.session));
  }

  #take(written: RawDocument): void {
    const { fields } = definitionOf(modelOf(this.task)).options;
    const { token, ...task } = readBookkeeping(written['_task']);
    this.#adopt({ state: written[fields.state] as string, token, changeable: task as StoredState['changeable'] });
  }

  /** Brings the document up to date. A handle that holds the task goes on holding it. */
  #adopt({ state, token, changeable }: Pick<StoredState, 'state' | 'token' | 'changeable'>): void {
    const { fields } = definitionOf(modelOf(this.task)).options;
    const handle = handleOf(this.task);
    const { lease } = handle;
    const { availableAt } = changeable;
    const isHeld = state === State.RUNNING && lease !== null && token?.toHexString() === lease.token;
    handle.stored = { ...handle.stored, ...changeable, ...(token && { token }) };
    for (const name of ['schedule', 'slot'] as const) delete handle.stored[name];
    if (state !== State.RUNNING) handle.lease = null;
    else if (isHeld && availableAt) handle.lease = { ...lease, until: availableAt };
    setQuietly(this.task, fields.state, state);
  }
}

function isLive({ state }: StoredState): boolean {
  return state === State.CREATED || state === State.RUNNING;
}

function refused(task: AnyDocument, found: StoredState | null): Error {
  if (found && isLive(found)) return refusal(task, 'cancel', found);

  const name = `${modelOf(task).modelName} ${shownId(task._id)}`;
  const is = task.isNew ? 'it was never stored' : found ? `it is ${found.state ?? 'no task'}` : 'it was deleted';
  return new TaskStateError(
    `Expected ${name} to be CREATED or RUNNING for \`cancel()\`, but ${is}.`,
    task._id,
    found?.state ?? null,
  );
}
