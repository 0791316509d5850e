import { notSkipped, skip } from '../claim/skipped';
import { collectionOf, type Definition, type Filter, type RawDocument } from '../definition/definition';
import { dependencyPaths, kindKey } from '../dependencies/references';
import type { Verdict } from '../dependencies/verdict';
import { State } from '../fields';
import { serverNow } from '../server/clock';
import { type Find, only, read } from '../server/read';
import type { Bookkeeping } from '../task/bookkeeping';
import { monotonic } from '../timers';
import { groupBy } from '../values/group';
import { keyOf } from '../values/id';
import { writePastLocked } from './bounded-write';
import { type Judgement, judgeTasks, keepFailed, setAside } from './judged';
import { laterRecheckAt } from './recheck-time';
import { revival, wakening } from './woken';

/** How often due re-checks are looked for, per model and process, in milliseconds, and how many tasks are read at most. */
const EVERY_MS = 250;
const WINDOW = 200;
/** How soon a task is re-checked if its present re-check does not complete, in milliseconds. */
const NEAR_MS = 1_000;

const lastAt = new WeakMap<object, number>();

interface Due {
  readonly id: unknown;
  readonly at: string;
}

/** What the last look that came to its end has found, by key. */
const lastDue = new WeakMap<Definition, ReadonlyMap<string, Due>>();

/**
 * Judges parked tasks, and tasks that were failed by a dependency, whose re-check is due: the last resort for changes that no mark shows,
 * such as a dependency that was deleted, or inserted after its dependents. Resolves to the number of tasks put back in the queue.
 */
export async function recheck(definition: Definition): Promise<number> {
  const now = monotonic();
  if (now - (lastAt.get(definition) ?? Number.NEGATIVE_INFINITY) < EVERY_MS) return 0;
  lastAt.set(definition, now);

  const due = await readDue(definition);
  const found = new Map(due.map((task) => [keyOf(task._id), dueOf(task)]));
  passOverStuck(definition, found);
  if (due.length === 0) return 0;
  const count = await judgeParked(definition, due);
  lastDue.set(definition, found);

  return count;
}

/** Does for these tasks what their re-check does, whenever that is due. Resolves to the number of tasks put back in the queue. */
export async function recheckNow(definition: Definition, ids: readonly unknown[]): Promise<number> {
  let count = 0;
  for (let start = 0; start < ids.length; start += WINDOW) {
    const parked: Filter = { _id: { $in: ids.slice(start, start + WINDOW) }, '_task.waitingOn': { $exists: true } };
    count += await judgeParked(definition, await readParked(definition, parked));
  }

  return count;
}

async function judgeParked(definition: Definition, due: readonly RawDocument[]): Promise<number> {
  const { state } = definition.options.fields;
  const isFailed = (task: RawDocument) => task[state] === State.FAILED && isDoomed(task);
  const parked = await judgeTasks(
    definition,
    due.filter((task) => task[state] === State.CREATED),
  );
  const failed = await judgeTasks(definition, due.filter(isFailed));
  // Put off only once the marks are set again: a process that dies before leaves re-checks that come soon.
  const near = new Date((await serverNow(definition.model)).getTime() + NEAR_MS);
  await setAside(definition, parked, near);
  await keepFailed(definition, failed, near);
  await putOff(definition, [...parked, ...failed], near);
  const ready = parked.filter(({ verdict }) => verdict.kind === 'ready').map(({ task }) => task);
  // A task that was settled by hand while it waited does not wait any more; if it is put back, the next pop judges it.
  const settled = due.filter((task) => task[state] !== State.CREATED && !isFailed(task));
  const revived = failed.filter(({ verdict }) => verdict.kind !== 'doomed').map(({ task }) => task);
  await putBack(definition, [...ready, ...settled], { $ne: State.RUNNING }, wakening);
  await putBack(definition, revived, State.FAILED, revival(definition));

  return ready.length + revived.length;
}

/** Who is due as before can be neither put off nor put back, for example because it holds what the driver reads as something else: others have their turn. */
function passOverStuck(definition: Definition, due: ReadonlyMap<string, Due>): void {
  const last = lastDue.get(definition);
  for (const [key, { id, at }] of due) if (last?.get(key)?.at === at) skip(definition.model, id);
  lastDue.delete(definition);
}

/** Sets later re-checks. A task that another process has parked again keeps its own, since its marks may not be set yet. */
async function putOff(definition: Definition, judgements: readonly Judgement[], near: Date): Promise<void> {
  const { model } = definition;
  const waiting = judgements.flatMap(({ task, verdict }) =>
    verdict.kind === 'ready' ? [] : [{ id: task._id as unknown, at: atOf(definition, verdict) }],
  );
  for (const group of groupBy(waiting, ({ at }) => JSON.stringify(at)).values()) {
    const ids = group.map(({ id }) => id);
    await writePastLocked(model, { writeConcern: { w: 1 } }, ids, (some, bounds) =>
      collectionOf(model).updateMany(
        { _id: { $in: some as never[] }, '_task.recheckAt': near },
        [{ $set: { '_task.recheckAt': group[0]!.at } }],
        { ...bounds },
      ),
    );
  }
}

function atOf(definition: Definition, verdict: Exclude<Verdict, { kind: 'ready' }>): object {
  return laterRecheckAt(definition, verdict.kind === 'waits' ? verdict.on : verdict.by, verdict.target);
}

function dueOf({ _id: id, _task: task }: RawDocument): Due {
  return { id, at: keyOf((task as Bookkeeping).recheckAt) };
}

function isDoomed(task: RawDocument): boolean {
  return 'doomedBy' in (task['_task'] as object);
}

function readDue(definition: Definition): Promise<RawDocument[]> {
  const due: Filter = {
    ...notSkipped(definition.model),
    '_task.recheckAt': { $exists: true },
    $expr: { $lte: ['$_task.recheckAt', '$$NOW'] },
  };

  return readParked(definition, due, { sort: { '_task.recheckAt': 1 }, hint: 'task_recheck' });
}

function readParked(
  { model, options }: Definition,
  which: Filter,
  how: Pick<Find, 'sort' | 'hint'> = {},
): Promise<RawDocument[]> {
  // Of what they wait for, which may be thousands of documents, nothing is needed.
  const bookkeeping = ['token', 'availableAt', 'attempts', 'recheckAt'].map((name) => `_task.${name}`);
  const fields = [options.fields.state, ...bookkeeping, ...dependencyPaths(model), kindKey(model) ?? '_id'];
  const projection = { ...only(fields), '_task.doomedBy': { $slice: 1 } } as const;

  const filter = { ...which, [options.fields.state]: { $ne: State.RUNNING } };

  return read(model, { filter, projection, limit: WINDOW, ...how });
}

async function putBack(
  { model, options, writeConcern }: Definition,
  tasks: readonly RawDocument[],
  state: unknown,
  update: object[],
): Promise<void> {
  if (tasks.length === 0) return;
  // A wake takes off both. What another program has parked may lack the second.
  const isParked = [{ '_task.waitingOn': { $exists: true } }, { '_task.recheckAt': { $exists: true } }];
  const unchanged: Filter = { [options.fields.state]: state, $or: isParked };
  const ids = tasks.map(({ _id }) => _id as unknown);

  await writePastLocked(model, writeConcern, ids, (some, bounds) =>
    collectionOf(model).updateMany({ ...unchanged, _id: { $in: some as never[] } }, update, { ...bounds }),
  );
}
