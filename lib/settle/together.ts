import type { mongo, Types } from 'mongoose';
import { collectionOf, type Definition, type Filter, type RawDocument } from '../definition';
import { State } from '../fields';
import type { TaskFailure } from '../handle';
import { keyOf } from '../id';
import { persistently } from '../transient';

/** Settles that are sent as one write at the most. */
const MAX_BATCH = 500;

/** The end of a task whose fields were not modified. */
export interface Ending {
  readonly id: unknown;
  readonly token: Types.ObjectId;
  readonly state: typeof State.FINISHED | typeof State.FAILED;
  readonly errors: readonly TaskFailure[] | undefined;
  /** What the schema's `timestamps` make of it. */
  readonly touchedAt: Date | number | undefined;
}

interface Caller {
  readonly ending: Ending;
  resolve(matched: boolean): void;
  reject(error: unknown): void;
}

const waitingFor = new WeakMap<Definition, Caller[]>();

/**
 * Ends a task that is still held by its token. Endings that come while a write is under way are sent together by the next one;
 * each caller is told, after the server's answer, whether its own token still held.
 */
export function endTogether(definition: Definition, ending: Ending): Promise<boolean> {
  const waiting = waitingFor.get(definition);
  const promise = new Promise<boolean>((resolve, reject) => {
    const caller = { ending, resolve, reject };
    if (waiting) waiting.push(caller);
    else waitingFor.set(definition, [caller]);
  });
  if (!waiting) queueMicrotask(() => void serve(definition));

  return promise;
}

async function serve(definition: Definition): Promise<void> {
  const waiting = waitingFor.get(definition)!;
  while (waiting.length > 0) {
    const batch = takeBatch(waiting);
    try {
      const matched = await write(
        definition,
        batch.map(({ ending }) => ending),
      );
      batch.forEach(({ ending, resolve }) => resolve(matched === null || matched.has(keyOf(ending.id))));
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
  waitingFor.delete(definition);
}

// A task at most once: of two handles of it, one has lost its lease, and which one must not depend on the other's token.
function takeBatch(waiting: Caller[]): Caller[] {
  const ids = new Set<string>();
  const end = waiting.findIndex(({ ending }) => {
    const key = keyOf(ending.id);
    return ids.size === MAX_BATCH || ids.has(key) || !ids.add(key);
  });

  return waiting.splice(0, end === -1 ? waiting.length : end);
}

/** Returns null when all matched, else the keys of those that did. */
async function write(definition: Definition, endings: readonly Ending[]): Promise<Set<string> | null> {
  const collection = collectionOf(definition.model);
  const statements = statementsOf(definition, endings);
  const { matchedCount } = await persistently(() =>
    collection.bulkWrite(statements, { ordered: false, ...definition.writeConcern }),
  );
  if (matchedCount === endings.length) return null;

  const { state } = definition.options.fields;
  const found = await collection
    .find(
      { _id: { $in: endings.map(({ id }) => id) as never[] } },
      { projection: { [state]: 1, '_task.token': 1 }, readPreference: 'primary' },
    )
    .toArray();
  const settled = new Map(found.map((document) => [keyOf(document._id), document]));

  return new Set(
    endings.filter((ending) => isSettledBy(ending, settled.get(keyOf(ending.id)), state)).map(({ id }) => keyOf(id)),
  );
}

// Tasks of one claim share its token, so those that end alike are one statement: the token is compared for each, never a list of them.
function statementsOf(definition: Definition, endings: readonly Ending[]): mongo.AnyBulkWriteOperation<RawDocument>[] {
  const groups = new Map<string, Ending[]>();
  for (const ending of endings) {
    const name = ending.errors
      ? keyOf(ending.id)
      : `${ending.state}:${ending.token.toHexString()}:${Number(ending.touchedAt)}`;
    groups.set(name, [...(groups.get(name) ?? []), ending]);
  }

  return [...groups.values()].map((group) => {
    const { token } = group[0]!;
    const filter: Filter = {
      _id: { $in: group.map(({ id }) => id) },
      [definition.options.fields.state]: State.RUNNING,
      '_task.token': token,
    };
    return { updateMany: { filter, update: endUpdate(definition, group[0]!), hint: '_id_' } };
  });
}

function endUpdate({ options, updatedAt }: Definition, { state, errors, touchedAt }: Ending): mongo.Document[] {
  return [
    {
      $set: {
        [options.fields.state]: state,
        '_task.settledAt': '$$NOW',
        '_task.availableAt': '$_task.dueAt',
        ...(errors && { '_task.errors': { $literal: errors } }),
        ...(updatedAt && { [updatedAt.path]: touchedAt }),
      },
    },
  ];
}

function isSettledBy(ending: Ending, document: RawDocument | undefined, stateField: string): boolean {
  const token = (document?.['_task'] as { token?: Types.ObjectId } | undefined)?.token;

  return document?.[stateField] === ending.state && token !== undefined && ending.token.equals(token);
}
