import { createHash } from 'node:crypto';
import { mongo } from 'mongoose';
import { isOfDocument, mend } from '../claim/repair';
import { skip } from '../claim/skipped';
import { type AnyModel, collectionOf, type Definition, type Filter, type RawDocument } from '../definition/definition';
import { valueAt } from '../dependencies/condition';
import { dependencyPaths } from '../dependencies/references';
import type { Awaited } from '../dependencies/verdict';
import { isTimeExpired } from '../server/transient';
import { nextTurn } from '../timers';
import { isWritable } from '../values/writable';
import { type Bounds, writeConfirmed } from './bounded-write';

/** This many documents that a task waits for cost the server as much as the task itself. */
const AS_MUCH_AS_A_TASK = 4;

/** A task that waits for so many is a statement of its own: to find out whether another is like it costs more. */
const OF_ITS_OWN = 1_000;

/** Tasks with an equal filter and an equal update: one statement. */
interface Group {
  readonly read: Filter;
  readonly update: object[];
  readonly ids: unknown[];
  /** What each of them costs the server, in tasks. */
  readonly weight: number;
}

/** What becomes of a task, and what it waits for, by which its write is weighed. */
interface Change<One> {
  about(one: One): readonly Awaited[];
  update(one: One): object[];
}

/** Writes tasks that are still as they were read, in few statements. Those that refuse are repaired or skipped. */
export async function writeGrouped<One extends { readonly task: RawDocument }>(
  definition: Definition,
  all: readonly One[],
  change: Change<One>,
): Promise<void> {
  await write(definition, await groups(definition, all, change));
}

async function groups<One extends { readonly task: RawDocument }>(
  definition: Definition,
  all: readonly One[],
  change: Change<One>,
): Promise<Group[]> {
  const found = new Map<unknown, Group>();
  for (const one of all) {
    const { length } = change.about(one);
    const isOfItsOwn = length >= OF_ITS_OWN;
    if (isOfItsOwn) await nextTurn();
    const read = asRead(definition, one.task);
    const update = change.update(one);
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
    idOf: ({ id }) => id,
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
