import { type ClientSession, Types } from 'mongoose';
import { collectionOf, type Definition, type Filter, type RawDocument } from '../definition/definition';
import { State, UNDONE_STATES } from '../fields';
import { indexName } from '../indexes/claim-index';
import { keyText, liveOf, ofKey } from '../indexes/key-index';
import { withIndexes } from '../indexes/prepare';
import { announce } from '../notify/announce';
import { leniently, NEWEST, read } from '../server/read';
import { persistently } from '../server/transient';
import { type Bookkeeping, readBookkeeping } from '../task/bookkeeping';
import { attemptsBefore, heldAsClaimed } from '../task/held';
import { keyOf } from '../values/id';

/** A successor that was put back is not looked at again before this time has passed, in milliseconds. */
const LOOK_AGAIN_MS = 1_000;

/** The live task that is to end before the one that has the key may start, or null. There is one at most. */
export async function findAside(
  definition: Definition,
  key: string,
  session: ClientSession | null = null,
): Promise<RawDocument | null> {
  const { model, options } = definition;
  const find = () =>
    read(model, {
      filter: liveOf(definition, { running: key }),
      limit: 1,
      projection: { [options.fields.state]: 1, _task: 1 },
      hint: indexName(definition, 'key'),
      ...(session && { session }),
    });
  const [found] = await (session?.inTransaction() ? find() : withIndexes(model, find));

  return found ?? null;
}

/** Lets the successor of a task that has ended start: by its names alone, so that no later successor is meant. */
export async function letGo(definition: Definition, key: string, ...ids: Types.ObjectId[]): Promise<void> {
  const { model, options, writeConcern } = definition;
  const filter = { ...ofKey(definition, key), [options.fields.state]: State.CREATED, '_task.behind': { $in: ids } };
  const isParked = { $gt: ['$_task.waitingOn', null] };
  const update = [
    { $set: { '_task.availableAt': { $cond: [isParked, '$_task.availableAt', '$_task.dueAt'] } } },
    { $unset: '_task.behind' },
  ];
  const how = { hint: indexName(definition, 'key'), ...writeConcern };
  await withIndexes(model, () => persistently(() => collectionOf(model).updateOne(filter, update, how)));
  announce(model);
}

/** Whether a task has a key: only then another can wait for its end. */
export function isKeyed({ _task: task }: RawDocument): boolean {
  return (task as Bookkeeping | undefined)?.key !== undefined;
}

/** Lets a successor start after an end that was just written. If that fails, it starts when the lease before it would have ended. */
export async function letGoAnyhow(definition: Definition, key: string, id: Types.ObjectId): Promise<void> {
  await letGo(definition, key, id).catch(() => {});
}

/** Lets the successor of a task that has ended start, if it was aside when it was read. */
export async function followEnd(definition: Definition, { _task: task }: RawDocument): Promise<void> {
  const { key, aside } = readBookkeeping({ ...(task as Bookkeeping) });
  const text = keyText(key);
  if (aside && text !== undefined) await letGoIfEnded(definition, text, aside);
}

/**
 * Lets the successors start of those tasks that are FAILED or CANCELLED, whatever else the filter says of their state. What is stored decides:
 * one may have been moved aside since it was read.
 */
export async function followEnds(definition: Definition, tasks: Filter): Promise<void> {
  const { model, options } = definition;
  const over = { ...tasks, [options.fields.state]: { $in: [...UNDONE_STATES] }, '_task.aside': { $exists: true } };
  try {
    const how = { projection: { '_task.key': 1, '_task.aside': 1 }, hint: '_id_', ...NEWEST };
    const find = () => collectionOf(model).find(over, how).toArray();
    for (const one of await persistently(find)) await followEnd(definition, one);
  } catch {
    // They start when the leases of those before them would have ended.
  }
}

/** Lets the successor start if the task before it is not there any more: it may have ended while the successor was written. */
export async function letGoIfEnded(definition: Definition, key: string, id: Types.ObjectId): Promise<void> {
  try {
    const aside = await findAside(definition, key);
    if (!readBookkeeping({ ...aside?._task }).aside?.equals(id)) await letGo(definition, key, id);
  } catch {
    // It starts when the lease of the one before it would have ended.
  }
}

/**
 * The bookkeeping of a task that is stored without a look at its key in the same write: whatever has happened to that meanwhile, who claims the
 * task looks. Nobody knows the name that it is behind, and so nobody lets it go, before `findPlace()` has.
 */
export function uncertain(task: Bookkeeping): Bookkeeping {
  return { ...task, behind: new Types.ObjectId() };
}

/**
 * Puts such a task behind the one that is aside, or lets it go if there is none. `meant`: what it was to be behind, for whoever claimed it
 * meanwhile may have put it there.
 */
export async function findPlace(
  definition: Definition,
  key: string,
  id: Types.ObjectId,
  ...meant: Types.ObjectId[]
): Promise<void> {
  try {
    const aside = await findAside(definition, key);
    if (!aside) return await letGo(definition, key, id, ...meant);
    const { aside: name } = readBookkeeping({ ...aside._task });
    if (!name) return;
    await persistently(() => rename(definition, key, id, name));
    await letGoIfEnded(definition, key, name);
  } catch {
    // Who claims it looks.
  }
}

function rename(definition: Definition, key: string, from: Types.ObjectId, to: Types.ObjectId): Promise<unknown> {
  const { model, options, writeConcern } = definition;
  const filter = { ...ofKey(definition, key), [options.fields.state]: State.CREATED, '_task.behind': from };
  const how = { hint: indexName(definition, 'key'), ...writeConcern };

  return collectionOf(model).updateOne(filter, { $set: { '_task.behind': to } }, how);
}

/**
 * A claimed successor as it may be handed out, or null: while the task before it lives, it is put back. What it has then is what the last push
 * gave it: it may have been replaced while it was looked at.
 */
export async function startSuccessor(definition: Definition, raw: RawDocument): Promise<RawDocument | null> {
  const task = readBookkeeping({ ...raw._task });
  const key = keyText(task.key);
  const aside = key === undefined ? null : await findAside(definition, key);
  // One that waits for itself was written by another program.
  if (!aside || key === undefined || keyOf(aside._id) === keyOf(raw._id)) return begin(definition, raw);

  const { aside: id = task.behind!, availableAt = new Date(0) } = readBookkeeping({ ...aside._task });
  const asideEnds = { $min: [availableAt, { $add: ['$$NOW', definition.options.leaseMs] }] };
  const at = { $max: [{ $add: ['$$NOW', LOOK_AGAIN_MS] }, asideEnds, '$_task.dueAt'] };
  await putBack(definition, raw, { '_task.availableAt': at, '_task.behind': id });
  await letGoIfEnded(definition, key, id);
  return null;
}

async function begin(definition: Definition, raw: RawDocument): Promise<RawDocument | null> {
  const { model, hidden, writeConcern } = definition;
  const how = { returnDocument: 'after', ...(hidden && { projection: hidden }), ...writeConcern } as const;
  const update = { $unset: { '_task.behind': true as const } };
  const begun = await leniently(model, (read) =>
    persistently(() =>
      collectionOf(model).findOneAndUpdate(heldAsClaimed(definition, [raw]), update, { ...how, ...read }),
    ),
  );
  const { dueAt, startedAt } = (begun?._task ?? {}) as Bookkeeping;
  if (!begun || !dueAt || !startedAt || dueAt <= startedAt) return begun;

  // A push has put it off meanwhile.
  await putBack(definition, raw, { '_task.availableAt': '$_task.dueAt' });
  return null;
}

async function putBack(definition: Definition, raw: RawDocument, at: Record<string, unknown>): Promise<void> {
  const { model, options, writeConcern } = definition;
  const returned = {
    [options.fields.state]: State.CREATED,
    '_task.attempts': attemptsBefore,
    ...at,
  };
  await persistently(() =>
    collectionOf(model).updateOne(heldAsClaimed(definition, [raw]), [{ $set: returned }], writeConcern),
  );
}
