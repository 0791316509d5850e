import { collectionOf, type Definition, type Filter } from '../definition';
import { State } from '../fields';
import { judgeTasks, setAside } from './judged';
import { wakening } from './wake';

/** Re-checks are looked for this often per model and process, in milliseconds, and in windows of so many tasks. */
const EVERY_MS = 250;
const WINDOW = 200;

const lastAt = new WeakMap<object, number>();

/**
 * Judges parked tasks again whose re-check is due: the last resort for what no mark tells, like a dependency that was inserted
 * after its dependents, or deleted. Returns how many were put back in the queue.
 */
export async function recheck(definition: Definition): Promise<number> {
  const now = performance.now();
  if (now - (lastAt.get(definition) ?? Number.NEGATIVE_INFINITY) < EVERY_MS) return 0;
  lastAt.set(definition, now);

  const due = await collectionOf(definition.model)
    .find(dueFilter, { sort: { '_task.recheckAt': 1 }, limit: WINDOW, hint: 'task_recheck', readPreference: 'primary' })
    .toArray();
  if (due.length === 0) return 0;

  const { state } = definition.options.fields;
  const waiting = due.filter((task) => task[state] === State.CREATED);
  const judged = await judgeTasks(definition, waiting);
  await setAside(definition, judged);
  // Whoever was settled by hand while it waited does not wait any more; if it is put back, the next pop judges it.
  const settled = due.filter((task) => task[state] !== State.CREATED && task[state] !== State.RUNNING);
  const ready = judged.filter(({ verdict }) => verdict.kind === 'ready').map(({ task }) => task);
  await unpark(
    definition,
    [...ready, ...settled].map(({ _id }) => _id as unknown),
  );
  return ready.length;
}

const dueFilter: Filter = { '_task.recheckAt': { $exists: true }, $expr: { $lte: ['$_task.recheckAt', '$$NOW'] } };

async function unpark({ model, options, writeConcern }: Definition, ids: unknown[]): Promise<void> {
  if (ids.length === 0) return;
  const parked: Filter = {
    _id: { $in: ids },
    [options.fields.state]: { $ne: State.RUNNING },
    '_task.waitingOn': { $exists: true },
  };

  await collectionOf(model).updateMany(parked, wakening, writeConcern);
}
