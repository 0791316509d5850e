import { setTimeout as sleep } from 'node:timers/promises';
import { drainByWorker, fill } from './drain';
import { atConcurrency, type Comparison } from './harness';
import type { Setting } from './setting';
import { layouts, taskModel } from './tasks';

/** How many handlers wait at once, how long, in milliseconds, as those do that ask another service, and for how many tasks. */
const CASES = [
  { concurrency: 50, ms: 10, operations: 5_000 },
  { concurrency: 50, ms: 100, operations: 500 },
  { concurrency: 1_000, ms: 10, operations: 20_000 },
  { concurrency: 1_000, ms: 100, operations: 20_000 },
];

/** A `Worker` whose handlers wait, beside as many loops that wait and have no queue: what the queue keeps them from doing. */
export async function handlers({ connection }: Setting): Promise<Comparison[]> {
  const Task = taskModel(connection);
  const { ready } = await layouts(Task);
  const filled = fill(Task, ready);

  return CASES.map(({ concurrency, ms, operations }) => ({
    title: `handlers of ${ms} ms, concurrency ${concurrency}`,
    operations,
    turns: 1,
    metric: 'perSecond',
    baseline: {
      name: 'no queue',
      prepare: async () => {},
      run: (count) => atConcurrency(concurrency, count, () => sleep(ms)),
    },
    contenders: [
      {
        name: 'Worker',
        prepare: filled,
        run: (count) => drainByWorker(Task, count, { concurrency, handler: () => sleep(ms) }),
      },
    ],
  }));
}
