import type { mongo, Types } from 'mongoose';
import { Batcher, type Caller } from '../batcher';
import { collectionOf, type Definition, type RawDocument } from '../definition/definition';
import type { State } from '../fields';
import { NEWEST } from '../server/read';
import { answered } from '../server/time-limit';
import { persistently } from '../server/transient';
import { ended } from '../task/ending';
import { heldBy } from '../task/held';
import { requireSchedule } from '../task/stored-schedule';
import { groupBy } from '../values/group';
import { keyOf } from '../values/id';
import { distinctBy } from './held-writes';

/** The end of a task that does not recur, has no new failure, and whose fields were not modified. */
export interface Ending {
  readonly id: unknown;
  readonly token: Types.ObjectId;
  readonly state: typeof State.FINISHED | typeof State.FAILED;
  /** The time for the schema's `updatedAt`, if it has one. */
  readonly touchedAt: Date | number | undefined;
  /** Paths that must be missing, besides that of a schedule. */
  readonly absent: readonly string[];
}

const batchers = new WeakMap<Definition, Batcher<Ending, boolean>>();

/**
 * Ends a task if its token still holds it. Endings that come while a write is under way are sent together by the next one; after the
 * server's answer each caller learns whether its own token still held.
 */
export function endInBatch(definition: Definition, ending: Ending): Promise<boolean> {
  const batcher =
    batchers.get(definition) ?? new Batcher({ serve: (callers) => serve(definition, callers), fit: distinct });
  batchers.set(definition, batcher);

  return batcher.call(ending);
}

async function serve(definition: Definition, callers: readonly Caller<Ending, boolean>[]): Promise<void> {
  const matched = await write(
    definition,
    callers.map(({ item }) => item),
  );
  for (const { item, resolve } of callers) resolve(matched === null || matched.has(keyOf(item.id)));
}

const distinct = (callers: readonly Caller<Ending, boolean>[]) => distinctBy(callers, ({ item }) => item.id);

/** Resolves to null when all endings matched, else to the keys of those that did. */
async function write(definition: Definition, endings: readonly Ending[]): Promise<Set<string> | null> {
  const collection = collectionOf(definition.model);
  const statements = statementsOf(definition, endings);
  const { matchedCount } = await persistently(() =>
    collection.bulkWrite(statements, { ordered: false, ...definition.writeConcern }),
  );
  if (matchedCount === endings.length) return null;

  const { state } = definition.options.fields;
  const found = await answered(
    collection
      .find(
        { _id: { $in: endings.map(({ id }) => id) as never[] } },
        { projection: { [state]: 1, '_task.token': 1 }, ...NEWEST },
      )
      .toArray(),
  );
  const settled = new Map(found.map((document) => [keyOf(document._id), document]));

  return new Set(
    endings.filter((ending) => isSettledBy(ending, settled.get(keyOf(ending.id)), state)).map(({ id }) => keyOf(id)),
  );
}

// Tasks of one claim share its token, so those that end alike are one statement. It compares one token, never a list of tokens.
function statementsOf(definition: Definition, endings: readonly Ending[]): mongo.AnyBulkWriteOperation<RawDocument>[] {
  const groups = groupBy(
    endings,
    ({ token, state, touchedAt, absent }) => `${state}:${token.toHexString()}:${Number(touchedAt)}:${absent.join()}`,
  );

  return [...groups.values()].map((group) => {
    const { token, absent } = group[0]!;
    const ids = group.map(({ id }) => id);
    const missing = Object.fromEntries(absent.map((path) => [path, null]));
    const filter = { ...heldBy(definition, token, ids), ...requireSchedule(null), ...missing };
    return { updateMany: { filter, update: endUpdate(definition, group[0]!), hint: '_id_' } };
  });
}

function endUpdate(definition: Definition, { state, touchedAt }: Ending): mongo.Document[] {
  const { updatedAt } = definition;

  return [{ $set: { ...ended(definition, state), ...(updatedAt && { [updatedAt.path]: touchedAt }) } }];
}

function isSettledBy(ending: Ending, document: RawDocument | undefined, stateField: string): boolean {
  const token = (document?.['_task'] as { token?: Types.ObjectId } | undefined)?.token;

  return document?.[stateField] === ending.state && token !== undefined && ending.token.equals(token);
}
