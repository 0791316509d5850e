import { byWorker, drainByWorker, fill } from './drain';
import type { Comparison } from './harness';
import type { Setting } from './setting';
import { type HydratedTask, layouts, taskModel } from './tasks';

const CONCURRENCIES = [32, 300];
const OPERATIONS = 15_000;

/** A full queue worked empty by handlers that keep a result, two changed fields, or that fail first, beside the same by one that does nothing. */
export async function results({ connection }: Setting): Promise<Comparison[]> {
  const Task = taskModel(connection);
  const { ready } = await layouts(Task);
  const filled = fill(Task, ready);
  const Retried = taskModel(connection, 'Retried', { backoff: () => 0 });
  const half = fill(Retried, ready);

  return CONCURRENCIES.map((concurrency) => ({
    title: `results, Worker, concurrency ${concurrency}`,
    operations: OPERATIONS,
    turns: 1,
    metric: 'perSecond',
    baseline: { ...byWorker(Task, filled, { concurrency }), name: 'nothing changed' },
    contenders: [
      { ...byWorker(Task, filled, { concurrency, handler: keepResult }), name: 'two fields changed', cpu: 1.8 },
      {
        name: 'half of the attempts fail',
        cpu: 1.6,
        prepare: (attempts) => half(attempts / 2),
        run: (attempts) => drainByWorker(Retried, attempts / 2, { concurrency, handler: failFirst }),
      },
    ],
  }));
}

function keepResult(task: HydratedTask): void {
  task.subject = 'done';
  task.size = 1_843;
}

function failFirst(task: HydratedTask): void {
  if (task.lease?.attempt === 1) throw new Error('The mail server is busy.');
}
