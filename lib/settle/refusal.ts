import type { ClientSession, Types } from 'mongoose';
import { type AnyDocument, collectionOf, definitionOf, modelOf } from '../definition/definition';
import { LeaseLostError, TaskStateError } from '../errors';
import { State } from '../fields';
import { leniently, NEWEST } from '../server/read';
import { answered } from '../server/time-limit';
import { type Bookkeeping, readBookkeeping } from '../task/bookkeeping';
import { handleOf } from '../task/handle';
import { scheduleIn } from '../task/stored-schedule';
import { shownId } from '../values/id';

/** What the database has of a task when a write did not match. */
export interface StoredState {
  state: string | null;
  token: Types.ObjectId | undefined;
  /** The stored value of any type; null for none. */
  schedule: unknown;
  /** The fields that another than the holder may change while the task is held. */
  changeable: Pick<Bookkeeping, (typeof CHANGEABLE)[number]>;
}

const CHANGEABLE = [
  'schedule',
  'slot',
  'dueAt',
  'expiresFrom',
  'cancel',
  'settledAt',
  'availableAt',
  'key',
  'aside',
] as const;
const PROJECTION = Object.fromEntries(CHANGEABLE.map((name) => [`_task.${name}`, 1 as const]));

export async function readStoredState(task: AnyDocument, session: ClientSession | null): Promise<StoredState | null> {
  const { model, options } = definitionOf(modelOf(task));
  const how = {
    projection: { [options.fields.state]: 1, '_task.token': 1, ...PROJECTION },
    ...NEWEST,
    ...(session && { session }),
  };
  const found = await leniently(model, (lenient) =>
    answered(collectionOf(model).findOne({ _id: task._id }, { ...how, ...lenient })),
  );

  if (!found) return null;

  const raw = found['_task'] as Bookkeeping | null | undefined;
  const schedule: unknown = raw?.schedule ?? null;
  const read = readBookkeeping({ ...raw });
  const { token } = read;
  const changeable = Object.fromEntries(CHANGEABLE.map((name) => [name, read[name]]));
  return {
    state: (found[options.fields.state] as string | undefined) ?? null,
    token,
    schedule,
    changeable: { ...changeable, schedule: scheduleIn(schedule) } as StoredState['changeable'],
  };
}

/** The error for a write whose filter did not match: it says which state the task has, and which one `verb` needs. */
export function refusal(task: AnyDocument, verb: string, found: StoredState | null): LeaseLostError | TaskStateError {
  const name = `${modelOf(task).modelName} ${shownId(task._id)}`;
  const { lease } = handleOf(task);
  if (!found)
    return new TaskStateError(`Expected ${name} to exist for \`${verb}()\`, but it was deleted.`, task._id, null);

  if (lease && !found.token?.equals(lease.token)) {
    return new LeaseLostError(
      `Expected to hold ${name} for \`${verb}()\`, but its lease ended and it was ${found.state === State.CANCELLED ? 'cancelled' : 'taken over'}; it is ${found.state} now. Leave it alone.`,
      task._id,
    );
  }
  if (!lease && found.state === State.RUNNING) {
    return new LeaseLostError(
      `Expected ${name} to be held by this handle for \`${verb}()\`, but it is RUNNING for somebody else. Only who popped it can settle it.`,
      task._id,
    );
  }
  return new TaskStateError(
    `Expected ${name} to be ${lease ? 'RUNNING' : 'CREATED'} for \`${verb}()\`, but it is ${found.state ?? 'no task'}.${lease ? '' : advice(found.state)}`,
    task._id,
    found.state,
  );
}

function advice(state: string | null): string {
  return state === State.FINISHED || state === State.FAILED || state === State.CANCELLED
    ? ' Call `push()` to queue it again.'
    : ' Call `push()` first.';
}
