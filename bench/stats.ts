import { atConcurrency, type Comparison, type Contender } from './harness';
import type { Setting } from './setting';
import { insertCopies, layouts, nativeOf, taskModel, type Stored, type Task } from './tasks';

const FINISHED = 400_000;
const FAILED = 100_000;
const CALLS = 200;

/** What an operator asks of a queue that keeps what is done: the figures, and the newest failures. */
export async function stats({ connection, tasks: finishedCount = FINISHED }: Setting): Promise<Comparison[]> {
  const Empty = taskModel(connection, 'Empty');
  const Done = taskModel(connection, 'Done');
  const Failing = taskModel(connection, 'Failing');
  const { finished } = await layouts(Empty);
  await nativeOf(Empty).deleteMany({});
  await fill(Done, finished, finishedCount);
  await fill(Failing, finished, finishedCount, FAILED);

  const figures = (name: string, model: Task): Contender => calling(name, () => model.stats());
  const newest = (name: string, model: Task): Contender =>
    calling(name, () => model.find({ state: 'FAILED' }).sort({ '_task.settledAt': -1 }).limit(50).lean());

  return [
    {
      title: 'stats()',
      operations: CALLS,
      metric: 'p50Ms',
      target: 1.5,
      baseline: figures('no tasks', Empty),
      contenders: [figures('finished tasks', Done), figures('… and 100 000 failed', Failing)],
    },
    {
      title: 'the newest 50 failed tasks',
      operations: CALLS,
      metric: 'p50Ms',
      baseline: newest('no tasks', Empty),
      contenders: [newest('of 100 000 failed, beside finished ones', Failing)],
    },
  ];
}

function calling(name: string, call: () => Promise<unknown>): Contender {
  return { name, prepare: async () => {}, run: (count) => atConcurrency(1, count, call) };
}

// The indexes are built afterwards, which takes less time than keeping them up to date.
async function fill(model: Task, layout: Stored, finished: number, failed = 0): Promise<void> {
  await nativeOf(model)
    .drop()
    .catch(() => {});
  await insertCopies(nativeOf(model), layout, finished);
  const { settledAt } = layout['_task'] as { settledAt: Date };
  await insertCopies(nativeOf(model), layout, failed, (index) => ({
    state: 'FAILED',
    _task: { ...(layout['_task'] as object), settledAt: new Date(settledAt.getTime() - index) },
  }));
  await model.ensureTaskIndexes();
}
