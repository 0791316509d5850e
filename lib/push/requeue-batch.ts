import type { ClientSession } from 'mongoose';
import {
  type AnyDocument,
  type AnyModel,
  collectionOf,
  type Definition,
  definitionOf,
  type Filter,
  modelOf,
  type RawDocument,
} from '../definition/definition';
import { NEWEST } from '../server/read';
import { answered } from '../server/time-limit';
import { persistently } from '../server/transient';
import { adopt, type Change } from '../settle/change';
import { canSave } from '../settle/save';
import { dropForged, setQuietly } from '../settle/stage-changes';
import { isBeingWritten } from '../settle/write';
import { type Bookkeeping, handleOf } from '../task/handle';
import { groupBy } from '../values/group';
import { keyOf } from '../values/id';
import { isWritable } from '../values/writable';
import { missingFields, renewed, SETTLED } from './requeue';

/** At most this many documents in one write. */
const BATCH = 1_000;

/** What a write gives all its documents besides state and bookkeeping. */
interface Given {
  readonly fields: Record<string, unknown>;
  readonly touchedAt: Date | number | undefined;
}

/** Queues documents that are fitting: a write for each thousand. Resolves to those that were not queued. */
export async function requeueBatch(
  model: AnyModel,
  documents: readonly AnyDocument[],
  task: Bookkeeping,
  session: ClientSession | null,
): Promise<AnyDocument[]> {
  const definition = definitionOf(model);
  const each = new Map(documents.map((one) => [keyOf(one._id), one] as const)).values();
  const left = new Set(documents);
  const traced = documents.find((one) => handleOf(one).stored.trace);
  const change = renewed(task, traced ? handleOf(traced).stored : {});
  for (const alike of groupBy([...each], (one) => Object.keys(missingFields(one)).join()).values())
    for (let start = 0; start < alike.length; start += BATCH) {
      const batch = alike.slice(start, start + BATCH);
      const given: Given = { fields: missingFields(batch[0]!), touchedAt: definition.updatedAt?.now() };
      const queued = await write(definition, batch, change, given, session);
      for (const document of queued) {
        take(document, change, given);
        left.delete(document);
      }
    }

  return [...left];
}

/** Whether a document can be queued with others: it is stored, not modified, and not in the queue. */
export function isFitting(document: AnyDocument): boolean {
  const { options } = definitionOf(modelOf(document));
  const { lease } = handleOf(document);
  dropForged(document);
  const isSettled = (SETTLED as readonly unknown[]).includes(document.get(options.fields.state) ?? null);
  const isPlain = !document.isNew && !document.isModified() && canSave(document) && !isBeingWritten(document);

  return isPlain && isSettled && lease === null && isWritable(document._id);
}

async function write(
  definition: Definition,
  batch: readonly AnyDocument[],
  { state, task }: Change,
  { fields, touchedAt }: Given,
  session: ClientSession | null,
): Promise<readonly AnyDocument[]> {
  const { model, options, updatedAt, writeConcern } = definition;
  const filter = { _id: { $in: batch.map(({ _id }) => _id as never) }, [options.fields.state]: { $in: SETTLED } };
  const [set, gone] = [true, false].map((isSet) =>
    Object.entries(task).filter(([, value]) => (value !== undefined) === isSet),
  );
  const update = {
    $set: {
      ...fields,
      [options.fields.state]: state,
      ...inTask(set!),
      ...(updatedAt && { [updatedAt.path]: touchedAt }),
    },
    $unset: inTask(gone!.map(([name]) => [name, true])),
  };
  const run = () => collectionOf(model).updateMany(filter, update, { ...writeConcern, ...(session && { session }) });
  const { matchedCount } = session?.inTransaction() ? await answered(run()) : await persistently(run);

  return matchedCount === batch.length ? batch : queuedOf(definition, batch, task, session);
}

function inTask(entries: readonly (readonly [string, unknown])[]): Filter {
  return Object.fromEntries(entries.map(([name, value]) => [`_task.${name}`, value]));
}

// One that a worker has claimed meanwhile has another token, but still the due time of this push.
async function queuedOf(
  { model }: Definition,
  batch: readonly AnyDocument[],
  { token, dueAt }: Change['task'],
  session: ClientSession | null,
): Promise<AnyDocument[]> {
  const ids = batch.map(({ _id }) => _id as never);
  const own = { $or: [{ '_task.token': token }, { '_task.dueAt': dueAt }] };
  const find = () =>
    collectionOf(model)
      .find({ _id: { $in: ids }, ...own }, { projection: { _id: 1 }, ...NEWEST, ...(session && { session }) })
      .toArray();
  const found: RawDocument[] = await answered(find());
  const keys = new Set(found.map(({ _id }) => keyOf(_id)));

  return batch.filter(({ _id }) => keys.has(keyOf(_id)));
}

function take(document: AnyDocument, change: Change, { fields, touchedAt }: Given): void {
  for (const [path, value] of Object.entries(fields)) setQuietly(document, path, value);
  adopt(document, change, touchedAt);
  Object.assign(handleOf(document), { settledWith: null });
}
