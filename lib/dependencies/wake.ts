import { collectionOf, type Definition, type Filter, type RawDocument } from '../definition';
import { State } from '../fields';
import { isMissingIndex } from '../transient';
import { ensureOutboxes, outboxIndex, watchable } from './outbox';
import { keyOf } from './references';
import type { Watch } from './targets';

/** Documents of one outbox that a pass looks at. */
const OUTBOX = 200;
/** Tasks that a pass wakes: more would make one pop slow, and the next pass goes on where this one stopped. */
const BUDGET = 1_000;

/** One pass over the outboxes of a model: wakes the tasks whose dependency changed. Returns how many it woke. */
export async function wake(definition: Definition): Promise<number> {
  const woken = await Promise.all(watchable(definition.model).map((watch) => wakeWatch(definition, watch)));

  return woken.reduce((sum, count) => sum + count, 0);
}

async function wakeWatch(definition: Definition, watch: Watch): Promise<number> {
  const changed = await readOutbox(definition, watch);
  if (changed.length === 0) return 0;

  let woken = 0;
  for (;;) {
    const limit = BUDGET - woken;
    const count = limit > 0 ? await wakeWatchers(definition, watch, changed, limit) : limit;
    woken += count;
    // Out of budget: the marks stay, so whoever comes next goes on.
    if (woken >= BUDGET) return woken;
    if (count === 0) break;
  }
  // Only now that no watcher is left: whoever dies before leaves the mark.
  await disarm(watch, changed);
  return woken;
}

async function readOutbox(definition: Definition, watch: Watch): Promise<RawDocument[]> {
  const { name } = outboxIndex(watch);
  const armed = `_task.armed.${watch.mark}`;
  const read = () =>
    collectionOf(watch.model)
      .find(
        { ...watch.condition, [armed]: { $exists: true } },
        { projection: { [armed]: 1 }, hint: name, limit: OUTBOX, readPreference: 'primary' },
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
async function wakeWatchers(
  definition: Definition,
  watch: Watch,
  changed: RawDocument[],
  limit: number,
): Promise<number> {
  const { model, options } = definition;
  const isDoomed = watch.watchers === 'doomed';
  const watchers: Filter = {
    [isDoomed ? '_task.doomedBy' : '_task.waitingOn']: { $in: changed.map(({ _id }) => _id as unknown) },
    [options.fields.state]: isDoomed ? State.FAILED : { $ne: State.RUNNING },
  };
  const found = await collectionOf(model)
    .find(watchers, {
      projection: { _id: 1 },
      sort: { [options.fields.priority]: -1, '_task.dueAt': 1 },
      limit,
      readPreference: 'primary',
    })
    .toArray();
  if (found.length === 0) return 0;

  const update = isDoomed ? revival(definition) : wakening;
  await collectionOf(model).updateMany(
    { ...watchers, _id: { $in: found.map(({ _id }) => _id) as never[] } },
    update,
    definition.writeConcern,
  );
  return found.length;
}

/** A woken task is due when it was due by itself; the next pop judges it. */
export const wakening = [
  { $set: { '_task.availableAt': '$_task.dueAt' } },
  { $unset: ['_task.waitingOn', '_task.recheckAt'] },
];

function revival({ options }: Definition): object[] {
  return [
    { $set: { [options.fields.state]: State.CREATED, '_task.availableAt': '$_task.dueAt' } },
    { $unset: ['_task.doomedBy', '_task.settledAt'] },
  ];
}

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
        update: { $unset: { [armed]: true } },
      },
    })),
    { ordered: false },
  );
}
