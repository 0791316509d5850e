import { type QueueOf, type TaskHandler, Worker } from 'mongoose-task-queue';
import { popOne } from './claim';
import { atConcurrency, type Comparison, type Contender } from './harness';
import { claim, finish, rawQueue } from './raw';
import type { Setting } from './setting';
import {
  insertCopies,
  layouts,
  nativeOf,
  recreate,
  taskModel,
  type HydratedTask,
  type Stored,
  type Task,
} from './tasks';

const CALLERS = 32;
const OPERATIONS = 15_000;

/** A queue that is full is worked empty: by loops that take a task and finish it, and by a worker whose handler does nothing. */
export async function drain({ connection, database }: Setting): Promise<Comparison[]> {
  const Task = taskModel(connection);
  const { ready } = await layouts(Task);
  const raw = database.collection('raw');
  const filled = fill(Task, ready);

  return [
    {
      title: 'claim and finish',
      operations: OPERATIONS,
      turns: 1,
      metric: 'perSecond',
      baseline: rawQueue(raw, ready, CALLERS, async () => finish(raw, (await claim(raw))['_id'])),
      contenders: [
        {
          name: `pop() and finish() in ${CALLERS} loops`,
          cpu: 0.25,
          prepare: filled,
          run: (count) => atConcurrency(CALLERS, count, async () => (await popOne(Task)).finish()),
        },
        { ...byWorker(Task, filled, { concurrency: CALLERS }), cpu: 0.16 },
        { ...byWorker(Task, filled, { concurrency: 300 }), cpu: 0.14 },
      ],
    },
  ];
}

export function fill(Task: Task, ready: Stored): (count: number) => Promise<void> {
  return async (count) => {
    await recreate(Task);
    await insertCopies(nativeOf(Task), ready, count);
  };
}

interface WorkerSetting<T> {
  readonly concurrency: number;
  /** Default: one that does nothing. */
  readonly handler?: T;
}

export function byWorker(
  Task: Task,
  prepare: Contender['prepare'],
  options: WorkerSetting<(task: HydratedTask) => void>,
): Contender {
  return {
    name: `Worker, concurrency ${options.concurrency}`,
    prepare,
    run: (count) => drainByWorker(Task, count, options),
  };
}

/** How long each of that many tasks had a slot. */
export async function drainByWorker<Doc extends object>(
  model: QueueOf<Doc>,
  count: number,
  options: WorkerSetting<TaskHandler<Doc>>,
): Promise<number[]> {
  const startedAt = new WeakMap<object, number>();
  const durations: number[] = [];
  const worker = new Worker(model, { handler: () => {}, ...options });
  worker.on('started', (task) => startedAt.set(task, performance.now()));
  const done = new Promise<void>((resolve) => {
    worker.on('finished', (task) => {
      if (durations.push(performance.now() - startedAt.get(task)!) === count) resolve();
    });
  });
  await worker.start();
  await done;
  await worker.stop();

  return durations;
}
