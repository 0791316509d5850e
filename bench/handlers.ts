import { setTimeout as sleep } from 'node:timers/promises';
import { drainByWorker, fill } from './drain';
import { atConcurrency, type Comparison } from './harness';
import type { Setting } from './setting';
import { layouts, taskModel } from './tasks';

const CONCURRENCIES = [50, 1_000];
/** How long a handler waits, in milliseconds, as one that asks another service does; and so many tasks, at each concurrency. */
const WAITS = [
  { ms: 10, operations: { 50: 10_000, 1_000: 20_000 } },
  { ms: 100, operations: { 50: 1_000, 1_000: 20_000 } },
] as const;

/** A `Worker` whose handlers wait, beside as many loops that wait and have no queue: what the queue keeps them from doing. */
export async function handlers({ connection }: Setting): Promise<Comparison[]> {
  const Task = taskModel(connection);
  const { ready } = await layouts(Task);
  const filled = fill(Task, ready);

  return CONCURRENCIES.flatMap((concurrency) =>
    WAITS.map(({ ms, operations }) => ({
      title: `handlers of ${ms} ms, concurrency ${concurrency}`,
      operations: operations[concurrency as 50 | 1_000],
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
    })),
  );
}
