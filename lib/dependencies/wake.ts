import { collectionOf, type Definition, type Filter, type RawDocument } from '../definition';
import { keyOf } from '../id';
import { State } from '../fields';
import { isMissingIndex } from '../transient';
import { ensureOutboxes, outboxIndex, watchable } from './outbox';
import type { Watch } from './targets';

/** Documents of one outbox that a pass looks at. */
const OUTBOX = 200;
/** Tasks that a pass wakes: more would make one pop slow, and the next pass goes on where this one stopped. */
const BUDGET = 300;

/** One pass over the outboxes of a model: wakes the tasks whose dependency changed. Returns how many it woke. */
export async function wake(definition: Definition): Promise<number> {
  const woken = await Promise.all(watchable(definition.model).map((watch) => wakeWatch(definition, watch)));

  return woken.reduce((sum, count) => sum + count, 0);
}

async function wakeWatch(definition: Definition, watch: Watch): Promise<number> {
  await disarming.get(watch);
  const changed = await readOutbox(definition, watch);
  if (changed.length === 0) return 0;

  const woken = await wakeWatchers(definition, watch, changed);
  // Out of budget: the marks stay, so whoever comes next goes on.
  if (woken === BUDGET) return woken;

  // Every watcher was seen. One that parked since then has set, or will set, a mark that is newer than those read above.
  // Nobody has to wait for it but the next pass, which would read the same documents again and reports what went wrong here.
  const disarmed = disarm(watch, changed).finally(() => disarming.delete(watch));
  disarming.set(watch, disarmed);
  disarmed.catch(() => {});
  return woken;
}

const disarming = new WeakMap<Watch, Promise<void>>();

async function readOutbox(definition: Definition, watch: Watch): Promise<RawDocument[]> {
  const { name } = outboxIndex(watch);
  const armed = `_task.armed.${watch.mark}`;
  const read = () =>
    collectionOf(watch.model)
      .find(
        { ...watch.condition, [armed]: { $exists: true } },
        { projection: { [armed]: 1 }, hint: name, limit: OUTBOX, batchSize: OUTBOX + 1, readPreference: 'primary' },
      )
      .toArray();
  try {
    return await read();
  } catch (error) {
    if (!isMissingIndex(error)) throw error;
    await ensureOutboxes(definition.model);
    return read();
  }
}

// A held task is never touched; any other is, also one that somebody finished by hand while it waited and may put back.
async function wakeWatchers(definition: Definition, watch: Watch, changed: RawDocument[]): Promise<number> {
  const { model, options, writeConcern } = definition;
  const isDoomed = watch.watchers === 'doomed';
  const watchers: Filter = {
    [isDoomed ? '_task.doomedBy' : '_task.waitingOn']: { $in: changed.map(({ _id }) => _id as unknown) },
    [options.fields.state]: isDoomed ? State.FAILED : { $ne: State.RUNNING },
  };
  const ids = await readWatchers(definition, watchers);
  if (ids.length === 0) return 0;

  const update = isDoomed ? revival(definition) : wakening;
  await collectionOf(model).updateMany({ ...watchers, _id: { $in: ids as never[] } }, update, writeConcern);
  return ids.length;
}

// Their order matters only where there are more than one pass may wake.
async function readWatchers({ model, options }: Definition, watchers: Filter): Promise<unknown[]> {
  const read = (sort: Record<string, 1 | -1>) =>
    collectionOf(model)
      .find(watchers, { projection: { _id: 1 }, sort, limit: BUDGET, batchSize: BUDGET + 1, readPreference: 'primary' })
      .toArray();
  const some = await read({});
  const found = some.length < BUDGET ? some : await read({ [options.fields.priority]: -1, '_task.dueAt': 1 });

  return found.map(({ _id }) => _id as unknown);
}

/** A woken task is due when it was due by itself; the next pop judges it. */
export const wakening = [
  { $set: { '_task.availableAt': '$_task.dueAt' } },
  { $unset: ['_task.waitingOn', '_task.recheckAt'] },
];

/** A task that was failed by a dependency is queued again. */
export function revival({ options }: Definition): object[] {
  return [
    { $set: { [options.fields.state]: State.CREATED, '_task.availableAt': '$_task.dueAt' } },
    { $unset: ['_task.doomedBy', '_task.settledAt', '_task.recheckAt'] },
  ];
}

/** Leaves nothing behind on a document that nobody watches any more. */
const tidied = {
  _task: {
    $cond: [
      { $eq: ['$_task', { armed: {} }] },
      '$$REMOVE',
      {
        $setField: {
          field: 'armed',
          input: '$_task',
          value: { $cond: [{ $eq: ['$_task.armed', {}] }, '$$REMOVE', '$_task.armed'] },
        },
      },
    ],
  },
};

// By comparing each document's token: a mark that was set anew since it was read has watchers we did not see.
async function disarm(watch: Watch, changed: RawDocument[]): Promise<void> {
  const armed = `_task.armed.${watch.mark}`;
  const tokens = new Map(
    changed.map((document) => [
      keyOf(document._id),
      (document['_task'] as { armed: Record<string, unknown> }).armed[watch.mark],
    ]),
  );
  await collectionOf(watch.model).bulkWrite(
    changed.map(({ _id }) => ({
      updateOne: {
        filter: { _id: _id as never, [armed]: tokens.get(keyOf(_id)) },
        update: [{ $unset: armed }, { $set: tidied }],
      },
    })),
    { ordered: false },
  );
}
