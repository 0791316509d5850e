import { once } from 'node:events';
import { type QueueOf, Worker, type WorkerOptions } from 'mongoose-task-queue';
import type { Outcome } from '../events';
import { handle, type Part } from '../handler';
import { idOf, type Task } from '../tasks';

export const OUTCOMES = ['finished', 'failed', 'retried', 'released', 'lost'] as const satisfies readonly Outcome[];

/** A worker that tells of all it does. */
export function makeWorker(part: Part, options: WorkerOptions<Task> = {}): Worker<Task> {
  const { tasks, note } = part;
  const fences = new WeakMap<Task, number>();
  const worker = new Worker([tasks.Plain, tasks.Step] as unknown as QueueOf<Task>[], {
    concurrency: 4,
    pollMs: 200,
    ...options,
    handler(task, { signal }) {
      fences.set(task, task.lease!.fence);
      return handle(part, task, signal);
    },
  });
  for (const outcome of OUTCOMES)
    worker.on(outcome, (task: Task, error?: unknown) => {
      const fence = fences.get(task);
      // One that never reached the handler was handed out to nobody.
      if (fence === undefined) return;
      note({
        name: 'settled',
        task: idOf(task),
        fence,
        outcome,
        ...(error instanceof Error && { error: String(error) }),
      });
    });
  worker.on('error', (error) => note({ name: 'complained', text: String(error) }));

  return worker;
}

/** One that lives as long as its process. */
export async function runWorker(part: Part): Promise<void> {
  const worker = makeWorker(part);
  const start = startAnyhow(part, worker);
  if (!part.ending.aborted) await once(part.ending, 'abort');
  await stopWithin(part, worker, 1_000);
  await start;
}

/** A start that finds no server rejects, as it does in any program. */
async function startAnyhow({ note, ending }: Part, worker: Worker<Task>): Promise<void> {
  for (let isReady = false; !isReady && !ending.aborted;)
    isReady = await worker.start().then(
      () => true,
      (error: unknown) => {
        note({ name: 'complained', text: String(error) });
        return false;
      },
    );
}

/** Stops a worker and tells whether it kept its limit, and how far this machine is to blame. */
export async function stopWithin({ note }: Part, worker: Worker<Task>, limitMs: number): Promise<void> {
  const lag = measureLag();
  note({ name: 'stopping', limitMs });
  await worker.stop({ timeoutMs: limitMs });
  note({ name: 'stopped', lagMs: lag() });
}

const TICK_MS = 20;

/** How much time this process was not given, all in all, since the call. */
function measureLag(): () => number {
  let last = performance.now();
  let lag = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    lag += Math.max(0, now - last - TICK_MS);
    last = now;
  }, TICK_MS);

  return () => {
    clearInterval(timer);
    return Math.round(lag + Math.max(0, performance.now() - last - TICK_MS));
  };
}
