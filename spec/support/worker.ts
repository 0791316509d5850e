import {
  type QueueOf,
  Worker,
  type TaskContext,
  type WorkerEvents,
  type WorkerModels,
  type WorkerOptions,
} from 'mongoose-task-queue';
import type { AnyDocument } from '../../lib/definition/definition';
import { deferred, type Deferred } from './deferred';
import { eventually } from './eventually';

// oxlint-disable-next-line typescript/no-explicit-any -- "a worker on whatever models"
const workers = new Set<Worker<any>>();

// One that a failed test left running would take the tasks of the next.
afterEach(async () => {
  await Promise.all([...workers].map((worker) => worker.stop({ timeoutMs: 0 })));
  workers.clear();
});

/** A worker that is stopped at the end of the test. It polls fast, since most specs are not about how it waits. */
export function makeWorker<Doc>(models: WorkerModels<Doc>, options: WorkerOptions<Doc> = {}): Worker<Doc> {
  const worker = new Worker(models as QueueOf<Doc>, { pollMs: 20, ...options });
  workers.add(worker);

  return worker;
}

export async function startWorker<Doc>(models: WorkerModels<Doc>, options?: WorkerOptions<Doc>): Promise<Worker<Doc>> {
  const worker = makeWorker(models, options);
  await worker.start();

  return worker;
}

export type Event = [name: keyof WorkerEvents<unknown>, ...values: unknown[]];

const NAMES = [
  'started',
  'finished',
  'retried',
  'failed',
  'released',
  'slow',
  'lost',
  'cancelled',
  'stopped',
  'error',
] as const;

/** All events of a worker from now on but `idle`, with their values. */
export function recordEvents<Doc>(worker: Worker<Doc>): Event[] {
  const events: Event[] = [];
  for (const name of NAMES) worker.on(name, (...values: unknown[]) => void events.push([name, ...values]));

  return events;
}

/** Resolves to the values of the next event of a name. */
export function nextEvent<Doc, Name extends keyof WorkerEvents<Doc>>(
  worker: Worker<Doc>,
  name: Name,
): Promise<WorkerEvents<Doc>[Name]> {
  return new Promise((resolve) => {
    worker.once(name as 'idle', (...values: unknown[]) => resolve(values as WorkerEvents<Doc>[Name]));
  });
}

export interface Call<Doc> {
  readonly task: Doc;
  readonly signal: AbortSignal;
  /** Ends the handler. */
  readonly end: Deferred<void>;
}

export interface HeldHandler<Doc> {
  readonly handler: (task: Doc, context: TaskContext) => Promise<void>;
  readonly calls: readonly Call<Doc>[];
  /** Resolves to the call of that number, from 1, once the handler was called so often. */
  call(number: number): Promise<Call<Doc>>;
}

/** A handler whose tasks stay in hand until the spec ends them. */
export function heldHandler<Doc>(): HeldHandler<Doc> {
  const calls: Call<Doc>[] = [];

  return {
    calls,
    handler(task, { signal }) {
      const end = deferred();
      calls.push({ task, signal, end });
      return end.promise;
    },
    call: (number) =>
      eventually(() => {
        if (calls.length < number) throw new Error(`The handler was called ${calls.length} times, not ${number}.`);
        return calls[number - 1]!;
      }),
  };
}

/** Tries all that a handler may do with its task, and says how each try ended: `accepted`, or the name of its error. */
export async function tryAll(
  task: Pick<AnyDocument, 'save'> &
    Record<'push' | 'retry' | 'release' | 'finish' | 'fail' | 'renew', () => Promise<unknown>> & {
      progress(value: unknown): Promise<unknown>;
    },
): Promise<string[]> {
  const tries = [
    () => task.retry(),
    () => task.release(),
    () => task.finish(),
    () => task.fail(),
    () => task.renew(),
    () => task.progress('half'),
    () => task.save(),
    () => task.push(),
  ];
  const outcomes: string[] = [];
  for (const attempt of tries)
    outcomes.push(
      await attempt().then(
        () => 'accepted',
        ({ name }: Error) => name,
      ),
    );

  return outcomes;
}
