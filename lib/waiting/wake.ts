import { notSkipped } from '../claim/skipped';
import { collectionOf, type Definition, type Filter, type RawDocument } from '../definition/definition';
import type { Watch } from '../dependencies/targets';
import { State } from '../fields';
import { ensureOutboxes, outboxIndex, watchable } from '../indexes/outbox';
import { generationOf } from '../server/clock';
import { confirm } from '../server/confirm';
import { read } from '../server/read';
import { isMissingIndex } from '../server/transient';
import { readBookkeeping } from '../task/bookkeeping';
import { keyOf } from '../values/id';
import { writePastLocked } from './bounded-write';
import { disarm } from './disarm';
import { changeOf } from './waited-for';
import { revival, wakening } from './woken';

/** At most this many documents of one outbox are read by a pass. */
const OUTBOX = 200;

/** At most this many tasks of one watch are woken by a pass: more would make a pop slow, and the next pass goes on from there. */
const BUDGET = 300;

/**
 * One pass over the outboxes of a model: wakes the tasks whose dependency changed. Resolves to the number of woken tasks; `onRead` is
 * called before, with whether any document has changed.
 */
export async function wake(definition: Definition, onRead: (hasNews: boolean) => void = () => {}): Promise<number> {
  const generation = generationOf(definition.model);
  const outboxes = await Promise.all(
    watchable(definition.model).map(async (watch) => ({ watch, changed: await readNext(definition, watch) })),
  );
  const news = outboxes.filter(({ changed }) => changed.length > 0);
  onRead(news.length > 0);
  const woken = await Promise.all(news.map(({ watch, changed }) => wakeWatch(definition, watch, changed, generation)));

  return woken.reduce((sum, count) => sum + count, 0);
}

async function readNext(definition: Definition, watch: Watch): Promise<RawDocument[]> {
  await disarming.get(watch);

  return readOutbox(definition, watch);
}

async function wakeWatch(
  definition: Definition,
  watch: Watch,
  changed: RawDocument[],
  generation: number | undefined,
): Promise<number> {
  const watchers = watchersOf(definition, watch, changed);
  const { count, isComplete } = await wakeWatchers(definition, watch, watchers);
  // Out of budget: the marks stay, so the next pass goes on.
  if (count === BUDGET) return count;
  // A mark is removed only when no fail-over can undo the wakes. With none of its own, this pass may have seen another's unconfirmed ones.
  if (count === 0) await confirm(definition.model, definition.writeConcern);
  if (generationOf(definition.model) !== generation) return count;

  // Every watcher was seen. A task that was parked since then has, or will have, a mark that is newer than those read above.
  // Only the next pass awaits the disarming: else it would read the same documents again. It also reports its error.
  const done = isComplete ? changed : await withoutWatchers(definition, watch, watchers, changed);
  const disarmed = disarm(watch, done).finally(() => disarming.delete(watch));
  disarming.set(watch, disarmed);
  disarmed.catch(() => {});
  return count;
}

const disarming = new WeakMap<Watch, Promise<void>>();

async function readOutbox(definition: Definition, watch: Watch): Promise<RawDocument[]> {
  const { name } = outboxIndex(watch);
  const armed = `_task.armed.${watch.mark}`;
  const marked = {
    filter: { ...watch.condition, [armed]: { $exists: true } },
    projection: { [armed]: 1 },
    hint: name,
    // The judgement compares in this way: else the two would disagree in a collection that ignores case.
    collation: { locale: 'simple' },
    limit: OUTBOX,
  } as const;
  try {
    return await read(watch.model, marked);
  } catch (error) {
    if (!isMissingIndex(error)) throw error;
    await ensureOutboxes(definition.model);
    return watchable(definition.model).includes(watch) ? read(watch.model, marked) : [];
  }
}

// A held task is never touched. Any other is, also a task that was finished by hand while it waited, and may be put back.
function watchersOf({ options }: Definition, watch: Watch, changed: readonly RawDocument[]): Filter {
  const isDoomed = watch.watchers === 'doomed';

  return {
    [isDoomed ? '_task.doomedBy' : '_task.waitingOn']: { $in: changed.map(({ _id }) => changeOf(watch, _id)) },
    [options.fields.state]: isDoomed ? State.FAILED : { $ne: State.RUNNING },
  };
}

/** Wakes up to BUDGET tasks. `isComplete`: no task was skipped because an open transaction has locked it. */
async function wakeWatchers(
  definition: Definition,
  watch: Watch,
  watchers: Filter,
): Promise<{ count: number; isComplete: boolean }> {
  const { model, writeConcern } = definition;
  const free = notSkipped(model);
  const ids = await readWatchers(definition, { ...watchers, ...free });
  const isNoneSkipped = Object.keys(free).length === 0;
  if (ids.length === 0) return { count: 0, isComplete: isNoneSkipped };

  const update = watch.watchers === 'doomed' ? revival(definition) : wakening;
  const areAllWoken = await writePastLocked(model, writeConcern, ids, (some, bounds) =>
    collectionOf(model).updateMany({ ...watchers, _id: { $in: some as never[] } }, update, { ...bounds }),
  );
  return { count: ids.length, isComplete: isNoneSkipped && areAllWoken };
}

/** The changed documents that no skipped task waits for. */
async function withoutWatchers(
  { model }: Definition,
  { mark }: Watch,
  watchers: Filter,
  changed: RawDocument[],
): Promise<RawDocument[]> {
  const projection = { '_task.waitingOn': 1, '_task.doomedBy': 1 } as const;
  const left = await read(model, { filter: watchers, projection, limit: BUDGET });
  if (left.length === BUDGET) return [];
  const watched = left.flatMap(({ _task: task }) => {
    const { waitingOn = [], doomedBy = [] } = readBookkeeping(task);
    return [...waitingOn, ...doomedBy].filter((one) => one.mark === mark).map(({ id }) => keyOf(id));
  });
  const areWatched = new Set(watched);

  return changed.filter(({ _id }) => !areWatched.has(keyOf(_id)));
}

// The order of the tasks matters only if there are more than a pass may wake.
async function readWatchers({ model, options }: Definition, watchers: Filter): Promise<unknown[]> {
  const some = { filter: watchers, projection: { _id: 1 }, limit: BUDGET } as const;
  const first = await read(model, some);
  const sort = { [options.fields.priority]: -1, '_task.dueAt': 1 } as const;
  const found = first.length < BUDGET ? first : await read(model, { ...some, sort });

  return found.map(({ _id }) => _id as unknown);
}
