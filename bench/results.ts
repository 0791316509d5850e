import { byWorker, fill } from './drain';
import type { Comparison } from './harness';
import type { Setting } from './setting';
import { type HydratedTask, layouts, taskModel } from './tasks';

const CONCURRENCIES = [32, 300];
const OPERATIONS = 20_000;

/** A full queue worked empty by handlers that keep a result, two changed fields, beside the same without. */
export async function results({ connection }: Setting): Promise<Comparison[]> {
  const Task = taskModel(connection);
  const { ready } = await layouts(Task);
  const filled = fill(Task, ready);

  return CONCURRENCIES.map((concurrency) => ({
    title: `results, Worker, concurrency ${concurrency}`,
    operations: OPERATIONS,
    turns: 1,
    metric: 'perSecond',
    baseline: { ...byWorker(Task, filled, { concurrency }), name: 'nothing changed' },
    contenders: [{ ...byWorker(Task, filled, { concurrency, handler: keepResult }), name: 'two fields changed' }],
  }));
}

function keepResult(task: HydratedTask): void {
  task.subject = 'done';
  task.size = 1_843;
}
