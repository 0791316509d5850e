import { cancelMany } from '../cancel/cancel-many';
import { type AnyModel, collectionOf, definitionOf, hydrate, type RawDocument } from '../definition/definition';
import { filterOfRead } from '../definition/filter';
import { State } from '../fields';
import { announceAt } from '../notify/due';
import { requeueFailed } from '../push/requeue-many';
import { only } from '../server/read';
import { persistently } from '../server/transient';
import { unschedule } from '../settle/recurrence';
import { groupBy } from '../values/group';
import { keyOf } from '../values/id';
import type { Skipped, Write } from './act-options';
import { readBounded } from './bounded';
import { editTasks } from './edit';
import { requeueFinished } from './requeue-finished';
import { delayed, type TaskAction } from './target';

/** The writes of each action. They resolve to the tasks that stay as they are. */
export const WRITES: Readonly<Record<TaskAction, (write: Write, tasks: readonly RawDocument[]) => Promise<Skipped[]>>> =
  {
    retry: (write, tasks) => requeue(write, tasks),
    requeue: (write, tasks) => requeue(write, tasks),
    cancel,
    delete: remove,
    run,
    edit: editTasks,
    unschedule: end,
  };

async function requeue({ model, options }: Write, tasks: readonly RawDocument[]): Promise<Skipped[]> {
  const { fields } = definitionOf(model).options;
  const { delayMs = 0 } = options;
  const finished = tasks.filter((one) => one[fields.state] === State.FINISHED);
  const others = tasks.filter((one) => one[fields.state] !== State.FINISHED);
  const skipped = await requeueFinished(model, finished, delayMs);
  for (const state of [State.FAILED, State.CANCELLED]) {
    const ids = idsIn(others.filter((one) => one[fields.state] === state));
    if (ids.length === 0) continue;
    const done = await requeueFailed(model, filterOfRead(ids, { [fields.state]: state }), { delayMs });
    if (done.requeued < ids.length)
      skipped.push(...(await still(model, ids, [state], 'a live task has its key, or another one of it was queued')));
  }

  return skipped;
}

async function cancel({ model, options }: Write, tasks: readonly RawDocument[]): Promise<Skipped[]> {
  const ids = idsIn(tasks);
  const { cancelled, cancelling } = await cancelMany(
    model,
    filterOfRead(ids),
    options.reason === undefined ? {} : { reason: options.reason },
  );
  if (cancelled + cancelling >= ids.length) return [];

  return still(model, ids, [State.FINISHED, State.FAILED, State.PENDING], 'it ended meanwhile');
}

// By the driver, as all writes of the queue: no middleware of the application runs.
async function remove({ model }: Write, tasks: readonly RawDocument[]): Promise<Skipped[]> {
  const { options, writeConcern } = definitionOf(model);
  const { state } = options.fields;
  const ids = idsIn(tasks);
  // In the state in which it was meant to be deleted: a failed task that somebody queues again is one that is to run.
  const asRead = [...groupBy(tasks, (one) => one[state] as unknown)].map(([value, those]) => ({
    _id: { $in: idsIn(those) as never[] },
    [state]: { $eq: value ?? null },
  }));
  const filter = { $or: asRead, $nor: [{ [state]: State.RUNNING }] };
  await persistently(() => collectionOf(model).deleteMany(filter as object, writeConcern));
  const left = await readBounded(model, {
    filter: { _id: { $in: ids } },
    projection: only(['_id']),
    limit: ids.length,
  });

  return left.map(({ _id }) => ({ id: _id as unknown, reason: 'it was claimed or changed meanwhile' }));
}

/** Makes delayed tasks ready, unless they have been claimed or parked since. */
async function run({ model, now }: Write, tasks: readonly RawDocument[]): Promise<Skipped[]> {
  const { options, writeConcern, updatedAt } = definitionOf(model);
  const ids = idsIn(tasks);
  const filter = { _id: { $in: ids as never[] }, ...delayed(options.fields.state, now) };
  const update = [
    {
      $set: {
        '_task.availableAt': '$$NOW',
        '_task.dueAt': '$$NOW',
        // A recurring task does not expire.
        '_task.expiresFrom': { $cond: [{ $gt: ['$_task.schedule', null] }, '$$REMOVE', '$$NOW'] },
        ...(updatedAt && { [updatedAt.path]: updatedAt.now() }),
      },
    },
    { $unset: '_task.slot' },
  ];
  const write = () => collectionOf(model).updateMany(filter, update, writeConcern);
  const { matchedCount } = await persistently(write);
  if (matchedCount > 0) announceAt(model, now, now);
  if (matchedCount === ids.length) return [];
  const soon = new Date(now.getTime() + 5_000);
  const isLeft = { $or: [{ '_task.waitingOn': { $exists: true } }, { '_task.availableAt': { $gt: soon } }] };
  const left = await readBounded(model, {
    filter: { _id: { $in: ids }, [options.fields.state]: State.CREATED, ...isLeft },
    projection: { _id: 1 },
    limit: ids.length,
  });

  return left.map(({ _id }) => ({ id: _id as unknown, reason: 'it was changed meanwhile' }));
}

async function end({ model }: Write, tasks: readonly RawDocument[]): Promise<Skipped[]> {
  for (const { _id } of tasks) await unschedule(hydrate({ model, hidden: null }, { _id }));

  return [];
}

/** The tasks that are in one of these states. */
async function still(
  model: AnyModel,
  ids: readonly unknown[],
  states: readonly State[],
  reason: string,
): Promise<Skipped[]> {
  const { state } = definitionOf(model).options.fields;
  const filter = { _id: { $in: ids }, [state]: { $in: states } };
  const found = await readBounded(model, { filter, projection: only(['_id']), limit: ids.length });

  return found.map(({ _id }) => ({ id: _id as unknown, reason }));
}

function idsIn(tasks: readonly RawDocument[]): unknown[] {
  return [...new Map(tasks.map(({ _id }) => [keyOf(_id), _id as unknown])).values()];
}
