import { isDeepStrictEqual } from 'node:util';
import { type ClientSession, Types } from 'mongoose';
import { cancelStored } from '../cancel/request';
import { findAside } from '../claim/behind';
import { collectionOf, type Definition, type RawDocument } from '../definition/definition';
import { State } from '../fields';
import { isDuplicateKey } from '../indexes/key-index';
import { nextRun } from '../schedule/schedule';
import { NEWEST } from '../server/read';
import { answered } from '../server/time-limit';
import { persistently } from '../server/transient';
import { type Bookkeeping, NO_TOKEN, readBookkeeping } from '../task/bookkeeping';

/** Whether pushes of the key are kept because of a task. A time of another type, or beyond those of JavaScript, counts as none. */
const hasWindow = {
  $expr: {
    $and: [
      { $eq: [{ $type: '$_task.throttledUntil' }, 'date'] },
      { $gt: ['$_task.throttledUntil', '$$NOW'] },
      { $lte: ['$_task.throttledUntil', new Date(8.64e15)] },
    ],
  },
};

/** At most this many tries to cancel a task that changes meanwhile. */
const TRIES = 10;

/**
 * Takes the key from the task that has it, for its successor: the task goes on under the other form of the key. Resolves to the name by which
 * the successor waits for it, or null if the task has changed, or another is aside.
 */
export async function moveAside(
  definition: Definition,
  key: string,
  { _id, [definition.options.fields.state]: state }: RawDocument,
  session: ClientSession | null,
): Promise<Types.ObjectId | null> {
  const { model, options, writeConcern } = definition;
  const aside = new Types.ObjectId();
  const hasNoWindow = { $nor: [hasWindow] };
  const filter = { _id, [options.fields.state]: state, '_task.key': key, '_task.behind': NO_TOKEN, ...hasNoWindow };
  const update = {
    $set: { '_task.key': { running: key }, '_task.aside': aside },
    $unset: { '_task.throttledUntil': true as const, '_task.behind': true as const },
  };
  const how = { ...writeConcern, ...(session && { session }) };
  try {
    const { matchedCount } = await answered(collectionOf(model).updateOne(filter, update, how));
    return matchedCount > 0 ? aside : null;
  } catch (error) {
    if (session?.inTransaction() || !isDuplicateKey(error)) throw error;
    return null;
  }
}

/** Names a task that another program has moved aside without a name. Resolves to the name, or to null if the task has changed. */
export async function nameAside(
  { model, options, writeConcern }: Definition,
  { _id, _task: task, [options.fields.state]: state }: RawDocument,
  session: ClientSession | null,
): Promise<Types.ObjectId | null> {
  const aside = new Types.ObjectId();
  const { key } = task as Bookkeeping;
  const filter = {
    _id,
    [options.fields.state]: state,
    '_task.key': key,
    '_task.aside': NO_TOKEN,
  };
  const how = { ...writeConcern, ...(session && { session }) };
  const { matchedCount } = await answered(
    collectionOf(model).updateOne(filter, { $set: { '_task.aside': aside } }, how),
  );

  return matchedCount > 0 ? aside : null;
}

/**
 * The bookkeeping of a task that waits for one that is aside: not before that one's lease ends, so that nothing is lost when nobody lets it
 * go; `leaseMs`: the longest it can be. It recurs as its options say, or like the task before it, and then from that one's next slot on.
 */
export function successorOf(
  { options: { fields } }: Definition,
  task: Bookkeeping,
  { [fields.state]: state, ...raw }: RawDocument,
  behind: Types.ObjectId,
  now: Date,
  leaseMs: number,
): Bookkeeping {
  const { availableAt = now, dueAt, slot = dueAt, schedule, attempts = 0 } = readBookkeeping({ ...raw._task });
  const recurs = schedule && (!task.schedule || isDeepStrictEqual(task.schedule, schedule)) ? schedule : undefined;
  const isUntouched = state === State.CREATED && attempts === 0;
  const slotAt = recurs && ((isUntouched && dueAt) || nextRun(recurs, slot ?? now, now));
  const { expiresFrom, ...others } = task;
  const due = slotAt ?? task.dueAt!;

  return {
    ...others,
    ...(recurs ? { schedule: recurs } : expiresFrom && { expiresFrom }),
    dueAt: due,
    availableAt: new Date(Math.max(due.getTime(), leaseEnd(availableAt, now, leaseMs).getTime())),
    behind,
  };
}

/** When a task that was read as available at a time can be claimed at the latest, unless it is renewed. A parked one is never available. */
export function leaseEnd(availableAt: Date, now: Date, leaseMs: number): Date {
  return new Date(Math.min(availableAt.getTime(), now.getTime() + leaseMs));
}

/** Cancels the task that was moved aside under this name, if it still lives: at once, or by a request to its holder. */
export async function cancelAside(
  definition: Definition,
  key: string,
  id: Types.ObjectId,
  by: unknown,
  session: ClientSession | null,
): Promise<void> {
  for (let tries = 0; tries < TRIES; tries++) {
    const aside = await findAside(definition, key, session);
    const { aside: name, token } = readBookkeeping({ ...aside?._task });
    if (!aside || !name?.equals(id)) return;
    const asRead = { _id: aside._id, state: aside[definition.options.fields.state] as string, token };
    if (await cancelStored(definition, asRead, `superseded by ${String(by)}`, session)) return;
  }
}

/**
 * Takes the window of a settled task away, so that its key is free, if it is over by the server's clock. Resolves to the task if it is not, and to
 * null if another push has changed it.
 */
export async function closeWindow(
  { model, options, writeConcern, hidden }: Definition,
  { _id, [options.fields.state]: state, _task: task }: RawDocument,
  session: ClientSession | null,
): Promise<RawDocument | null> {
  const { throttledUntil } = readBookkeeping({ ...(task as Bookkeeping) });
  const ofWindow = throttledUntil ? { '_task.throttledUntil': throttledUntil } : {};
  const asRead = { _id, [options.fields.state]: state, ...ofWindow };
  const within = session && { session };
  const close = () =>
    collectionOf(model).updateOne(
      { ...asRead, $nor: [hasWindow] },
      { $unset: { '_task.throttledUntil': true as const } },
      { ...writeConcern, ...within },
    );
  const { matchedCount } = await (session?.inTransaction() ? answered(close()) : persistently(close));
  if (matchedCount > 0) return null;
  const how = { ...(hidden && { projection: hidden }), ...NEWEST, ...within };

  return answered(collectionOf(model).findOne({ ...asRead, ...hasWindow }, how));
}
