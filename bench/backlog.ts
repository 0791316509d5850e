import { popOne } from './claim';
import { atConcurrency, type Comparison, type Contender } from './harness';
import type { Setting } from './setting';
import { insertCopies, layouts, nativeOf, taskModel, type Stored, type Task } from './tasks';

/** Finished tasks, and as many delayed ones. */
const OTHERS = 200_000;
const OPERATIONS = 2_000;
const EMPTY_POPS = 1_000;

/** One `pop()` at a time, beside many tasks that cannot be claimed and in a collection without them. */
export async function backlog({ connection, database, tasks = OTHERS }: Setting): Promise<Comparison[]> {
  const Alone = taskModel(connection, 'Alone');
  const Beside = taskModel(connection, 'Beside');
  const { ready, finished, delayed } = await layouts(Alone);
  await nativeOf(Alone).deleteMany({});
  await fill(Beside, finished, delayed, tasks);
  // Nothing of the filling is to be written to disk while it is measured.
  await database.admin().command({ fsync: 1 });

  const popping = (name: string, model: Task): Contender => ({
    name,
    prepare: (count) => insertCopies(nativeOf(model), ready, count),
    run: (count) => atConcurrency(1, count, () => popOne(model)),
  });
  const findingNone = (name: string, model: Task): Contender => ({
    name,
    prepare: async () => {},
    run: (count) => atConcurrency(1, count, () => popNone(model)),
  });
  const others = `${count(tasks)} finished and as many delayed`;

  return [
    {
      title: 'pop() beside a backlog',
      operations: OPERATIONS,
      metric: 'p50Ms',
      target: 1.5,
      baseline: popping('no other tasks', Alone),
      contenders: [popping(others, Beside)],
    },
    {
      title: 'pop() that finds none',
      operations: EMPTY_POPS,
      metric: 'p50Ms',
      baseline: findingNone('no other tasks', Alone),
      contenders: [findingNone(others, Beside)],
    },
  ];
}

// The indexes are built afterwards, which takes less time than keeping them up to date.
async function fill(model: Task, finished: Stored, delayed: Stored, each: number): Promise<void> {
  const { dueAt } = delayed['_task'] as { dueAt: Date };
  await nativeOf(model).drop();
  await insertCopies(nativeOf(model), finished, each);
  // Of each priority, so that some stand before the ready tasks and some behind them.
  await insertCopies(nativeOf(model), delayed, each, (index) => {
    const due = new Date(dueAt.getTime() + index);
    return { priority: (index % 3) + 1, _task: { availableAt: due, dueAt: due, expiresFrom: due } };
  });
  await model.ensureTaskIndexes();
}

async function popNone(model: Task): Promise<void> {
  if (await model.pop()) throw new Error('The queue is not empty.');
}

function count(tasks: number): string {
  return tasks.toLocaleString('en').replaceAll(',', ' ');
}
