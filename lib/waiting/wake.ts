import { notSkipped } from '../claim/skipped';
import { collectionOf, type Definition, type Filter, type RawDocument } from '../definition/definition';
import type { Watch } from '../dependencies/targets';
import { State } from '../fields';
import { ensureOutboxes, outboxIndex, watchable } from '../indexes/outbox';
import { generationOf } from '../server/clock';
import { confirm } from '../server/confirm';
import { read } from '../server/read';
import { isMissingIndex } from '../server/transient';
import type { Bookkeeping } from '../task/handle';
import { keyOf } from '../values/id';
import { writePastLocked } from './bounded-write';
import { disarm } from './disarm';
import { changeOf } from './waited-for';
import { revival, wakening } from './woken';

/** Documents of one outbox that a pass looks at. */
const OUTBOX = 200;

/** Tasks that a pass wakes: more would make one pop slow, and the next pass goes on where this one stopped. */
const BUDGET = 300;

/**
 * One pass over the outboxes of a model: wakes the tasks whose dependency changed. Returns how many it woke; `onRead` is told
 * before whether there is anything to wake.
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
  // Out of budget: the marks stay, so whoever comes next goes on.
  if (count === BUDGET) return count;
  // A mark goes only when no fail-over can take back what was seen and woken: a wake that was not acknowledged may be another's.
  if (count === 0) await confirm(definition.model, definition.writeConcern);
  if (generationOf(definition.model) !== generation) return count;

  // Every watcher was seen. One that parked since then has set, or will set, a mark that is newer than those read above.
  // Nobody has to wait for it but the next pass, which would read the same documents again and reports what went wrong here.
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
    // As the judgement compares, or the two would not agree in a collection that ignores case.
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

// A held task is never touched; any other is, also one that somebody finished by hand while it waited and may put back.
function watchersOf({ options }: Definition, watch: Watch, changed: readonly RawDocument[]): Filter {
  const isDoomed = watch.watchers === 'doomed';

  return {
    [isDoomed ? '_task.doomedBy' : '_task.waitingOn']: { $in: changed.map(({ _id }) => changeOf(watch, _id)) },
    [options.fields.state]: isDoomed ? State.FAILED : { $ne: State.RUNNING },
  };
}

/** Wakes as many as one pass may, and tells whether none was passed over because an open transaction has written it. */
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

/** Of the documents that changed, those that nobody who was passed over waits for. */
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
    const { waitingOn = [], doomedBy = [] } = task as Bookkeeping;
    return [...waitingOn, ...doomedBy].filter((one) => one.mark === mark).map(({ id }) => keyOf(id));
  });
  const areWatched = new Set(watched);

  return changed.filter(({ _id }) => !areWatched.has(keyOf(_id)));
}

// Their order matters only where there are more than one pass may wake.
async function readWatchers({ model, options }: Definition, watchers: Filter): Promise<unknown[]> {
  const some = { filter: watchers, projection: { _id: 1 }, limit: BUDGET } as const;
  const first = await read(model, some);
  const sort = { [options.fields.priority]: -1, '_task.dueAt': 1 } as const;
  const found = first.length < BUDGET ? first : await read(model, { ...some, sort });

  return found.map(({ _id }) => _id as unknown);
}
