import { createHash } from 'node:crypto';
import { mongo, Types } from 'mongoose';
import { keyAfter } from '../claim/behind';
import { isOfDocument, mend } from '../claim/repair';
import { skip } from '../claim/skipped';
import { type AnyModel, collectionOf, type Definition, type Filter, type RawDocument } from '../definition/definition';
import { valueAt } from '../dependencies/condition';
import { dependencyPaths } from '../dependencies/references';
import type { Target } from '../dependencies/targets';
import type { Awaited } from '../dependencies/verdict';
import { State } from '../fields';
import { isTimeExpired } from '../server/transient';
import { ended, withFailure } from '../task/ending';
import type { TaskFailure } from '../task/handle';
import { nextTurn } from '../timers';
import { NEVER } from '../values/check';
import { isWritable } from '../values/writable';
import { arm, armDoomed } from './arm';
import { type Bounds, writeConfirmed } from './bounded-write';
import { notBeforeDue, recheckAt } from './recheck-time';
import { revivedBy, waitedFor } from './waited-for';

/** This many documents that a task waits for cost the server as much as the task itself. */
const AS_MUCH_AS_A_TASK = 4;
/** A task that waits for so many is a statement of its own: to find out whether another is like it costs more. */
const OF_ITS_OWN = 1_000;

/** A task that must wait, as it was read. */
export interface Waiting {
  readonly task: RawDocument;
  readonly target: Target | null;
  readonly on: readonly Awaited[];
}

/** A task that fails with a dependency, as it was read. */
export interface Doomed {
  readonly task: RawDocument;
  readonly target: Target | null;
  readonly by: readonly Awaited[];
  readonly failure: Omit<TaskFailure, 'at'>;
}

/** Tasks with an equal filter and an equal update: one statement. */
interface Group {
  readonly read: Filter;
  readonly update: object[];
  readonly ids: unknown[];
  /** What each of them costs the server, in tasks. */
  readonly weight: number;
}

/**
 * Parks tasks, each behind one unmet clause and out of the way of ready ones, then marks the documents they wait for. Never in the other
 * order: a mark that is set after the parking makes every later wake look for the task.
 */
export async function park(definition: Definition, waiting: readonly Waiting[], near: Date | null): Promise<void> {
  if (waiting.length === 0) return;

  const token = new Types.ObjectId();
  await write(
    definition,
    await groups(
      definition,
      waiting,
      ({ on }) => on,
      (one) => parkUpdate(definition, one, token, near),
    ),
  );
  await arm(definition, waiting);
}

/** Fails doomed tasks, then marks the documents that failed them, so that they can be revived. */
export async function doom(definition: Definition, doomed: readonly Doomed[]): Promise<void> {
  if (doomed.length === 0) return;

  const token = new Types.ObjectId();
  await write(
    definition,
    await groups(
      definition,
      doomed,
      ({ by }) => by,
      (one) => doomUpdate(definition, one, token),
    ),
  );
  await armDoomed(definition, doomed);
}

/** Sets the marks of tasks that were failed by a dependency again: a mark may be lost with its document. */
export async function keepDoomed(
  definition: Definition,
  doomed: readonly Omit<Doomed, 'failure'>[],
  near: Date,
): Promise<void> {
  if (doomed.length === 0) return;

  await write(
    definition,
    await groups(
      definition,
      doomed,
      ({ by }) => by,
      (one) => [{ $set: doomedFields(definition, one, near) }],
    ),
  );
  await armDoomed(definition, doomed);
}

async function groups<One extends { readonly task: RawDocument }>(
  definition: Definition,
  all: readonly One[],
  about: (one: One) => readonly Awaited[],
  updateOf: (one: One) => object[],
): Promise<Group[]> {
  const found = new Map<unknown, Group>();
  for (const one of all) {
    const { length } = about(one);
    const isOfItsOwn = length >= OF_ITS_OWN;
    if (isOfItsOwn) await nextTurn();
    const read = asRead(definition, one.task);
    const update = updateOf(one);
    const name = isOfItsOwn ? one : digestOf({ read, update });
    const group = found.get(name) ?? { read, update, ids: [], weight: 1 + length / AS_MUCH_AS_A_TASK };
    found.set(name, group);
    group.ids.push(one.task._id);
  }

  return [...found.values()];
}

function digestOf(value: object): string {
  return createHash('sha1').update(mongo.BSON.serialize(value)).digest('hex');
}

/** The filter for a task exactly as it was judged: a task that was changed since is judged again. `$eq`, because values are data. */
function asRead({ model, options }: Definition, task: RawDocument): Filter {
  const paths = [options.fields.state, '_task.token', '_task.availableAt', ...dependencyPaths(model)];
  const values = paths.map((path) => [path, valueAt(task, path) ?? null] as const);

  // A value that the driver cannot send is not compared.
  return Object.fromEntries(
    values.filter(([, value]) => isWritable(value)).map(([path, value]) => [path, { $eq: value }]),
  );
}

async function write(definition: Definition, all: readonly Group[]): Promise<void> {
  const { model, writeConcern: concern } = definition;
  const each = all.flatMap((group) => group.ids.filter(isWritable).map((id) => ({ id, group })));
  const refused = await writeConfirmed(model, concern, each, {
    write: (some, bounds) => writeAll(model, regrouped(some), bounds),
    isRefusal: (error) => isTimeExpired(error) || isOfDocument(error),
    weigh: ({ group }) => group.weight,
  });
  for (const { item, error } of refused) {
    const isMended = isOfDocument(error) && (await mend(definition, item.id, error));
    if (!isMended) skip(model, item.id);
  }
}

function regrouped(each: readonly { readonly id: unknown; readonly group: Group }[]): Group[] {
  const ids = new Map<Group, unknown[]>();
  for (const { id, group } of each) {
    const some = ids.get(group) ?? [];
    ids.set(group, some);
    some.push(id);
  }

  return [...ids].map(([group, some]) => ({ ...group, ids: some }));
}

async function writeAll(model: AnyModel, all: readonly Group[], bounds: Bounds): Promise<void> {
  const statements = all.map(({ read, update, ids }) => ({
    updateMany: { filter: { ...read, _id: { $in: ids as never[] } }, update, hint: '_id_' },
  }));
  await collectionOf(model).bulkWrite(statements, { ordered: false, ...bounds });
}

/** A new token for a task that has one: a late holder is refused, and what was read of an earlier life of the task does not match. */
function renamed(token: Types.ObjectId): Record<string, unknown> {
  return { '_task.token': { $cond: [{ $gt: ['$_task.token', null] }, token, '$$REMOVE'] } };
}

function parkUpdate(
  definition: Definition,
  { on, target }: Waiting,
  token: Types.ObjectId,
  near: Date | null,
): object[] {
  return [
    {
      $set: {
        [definition.options.fields.state]: State.CREATED,
        '_task.availableAt': NEVER,
        '_task.dueAt': { $ifNull: ['$_task.dueAt', '$$NOW'] },
        '_task.waitingOn': { $literal: waitedFor(target, on) },
        '_task.recheckAt': near ? notBeforeDue(near) : recheckAt(definition, on, target),
        ...renamed(token),
      },
    },
  ];
}

function doomUpdate(definition: Definition, { task, by, target, failure }: Doomed, token: Types.ObjectId): object[] {
  return [
    {
      $set: {
        ...ended(definition, State.FAILED),
        ...doomedFields(definition, { by, target }, null),
        ...withFailure(failure),
        ...keyAfter(task),
        ...renamed(token),
      },
    },
    { $unset: '_task.waitingOn' },
  ];
}

/** The fields by which a doomed task is found when its dependency is no longer FAILED. A missing dependency is not looked for again. */
function doomedFields(
  definition: Definition,
  { by, target }: Pick<Doomed, 'by' | 'target'>,
  near: Date | null,
): Record<string, unknown> {
  const canRevive = by.some(({ standing }) => standing === 'failed');

  return {
    '_task.doomedBy': { $literal: revivedBy(target, by) },
    '_task.recheckAt': canRevive ? (near ?? recheckAt(definition, by, target)) : '$$REMOVE',
  };
}
