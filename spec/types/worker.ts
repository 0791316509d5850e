import { once } from 'node:events';
import { expectTypeOf } from 'expect-type';
import { model, Schema } from 'mongoose';
import {
  type QueueOf,
  runWorkers,
  taskQueue,
  Worker,
  type TaskContext,
  type TaskModel,
  type WorkerEvents,
  type WorkerStatus,
} from 'mongoose-task-queue';
import { drain } from 'mongoose-task-queue/testing';

const Mail = model('Mail', taskQueue(new Schema({ to: { type: String, required: true } })));
const Parcel = model('Parcel', taskQueue(new Schema({ grams: Number })));
type Mail = InstanceType<typeof Mail>;
type Parcel = InstanceType<typeof Parcel>;

export function handlersGetTasksOfTheModel(): void {
  new Worker(Mail, {
    handler(mail, context) {
      expectTypeOf(mail.to).toEqualTypeOf<string>();
      expectTypeOf(context).toEqualTypeOf<TaskContext>();
      expectTypeOf(context.signal).toEqualTypeOf<AbortSignal>();
    },
  });
  new Worker({ model: Mail, weight: 2 }, { handler: (mail) => expectTypeOf(mail.to).toEqualTypeOf<string>() });
  // @ts-expect-error misspelt
  new Worker(Mail, { concurency: 8 });
}

export function modelsWithoutTheQueueAreRefused(): void {
  const Plain = model('Plain', new Schema({ to: String }));
  // @ts-expect-error no task queue
  new Worker(Plain, { handler: () => {} });
  // @ts-expect-error no task queue
  new Worker({ model: Plain, weight: 2 });
  // @ts-expect-error no task queue
  new Worker([Mail, Plain]);
  new Worker(model('Unbound', taskQueue(new Schema({ to: String }), { bind: false })));
  const Declared = model<{ to: string }, TaskModel<{ to: string }, { bind: false }>>('Declared', new Schema());
  new Worker(Declared);
}

export function severalModelsShareAWorker(): void {
  new Worker([{ model: Mail, weight: 2 }, Parcel], {
    handler: (task) => expectTypeOf(task).toEqualTypeOf<Mail | Parcel>(),
  });
  new Worker({ model: Mail }, { handler: (task) => expectTypeOf(task).toEqualTypeOf<Mail>() });
  new Worker([Mail, Parcel]).on('finished', (task) => expectTypeOf(task).toEqualTypeOf<Mail | Parcel>());
  const models = [Mail, Parcel] as const;
  expectTypeOf(new Worker(models)).toEqualTypeOf<Worker<Mail | Parcel>>();
  void drain([Mail, Parcel], { handler: (task) => expectTypeOf(task).toEqualTypeOf<Mail | Parcel>() });
  // @ts-expect-error only letters have it
  new Worker([Mail, Parcel], { handler: (task) => task.to });
}

export function aFunctionMayBeGivenTheModel<Doc>(queue: QueueOf<Doc>): void {
  new Worker(queue, { handler: (task: Doc) => void task });
}

export function itIsAnEmitterOfNode(worker: Worker<Mail>): void {
  void once(worker, 'finished');
  const emitter: NodeJS.EventEmitter = worker;
  expectTypeOf(emitter).not.toBeAny();
  if (emitter instanceof Worker) expectTypeOf(emitter.status()).toEqualTypeOf<WorkerStatus>();
}

export function eventsHaveTheirValues(worker: Worker<Mail>): void {
  expectTypeOf<keyof WorkerEvents<Mail>>().toEqualTypeOf<
    | 'started'
    | 'finished'
    | 'retried'
    | 'failed'
    | 'released'
    | 'slow'
    | 'lost'
    | 'cancelled'
    | 'idle'
    | 'stopped'
    | 'error'
  >();
  for (const name of ['started', 'finished', 'released'] as const)
    worker.on(name, (...values) => expectTypeOf(values).toEqualTypeOf<[task: Mail]>());
  for (const name of ['retried', 'failed', 'lost'] as const)
    worker.on(name, (...values) => expectTypeOf(values).toEqualTypeOf<[task: Mail, error: unknown]>());
  for (const name of ['idle', 'stopped'] as const)
    worker.on(name, (...values) => expectTypeOf(values).toEqualTypeOf<[]>());
  worker.on('slow', (...values) => expectTypeOf(values).toEqualTypeOf<[task: Mail, info: { ms: number }]>());
  worker.on('error', (...values) => expectTypeOf(values).toEqualTypeOf<[error: unknown]>());
}

export function processesTellOfTheirs(): void {
  runWorkers('./worker.js', { processes: 4 }).on('exited', (pid, code, signal) => {
    expectTypeOf(pid).toEqualTypeOf<number>();
    expectTypeOf(code).toEqualTypeOf<number | null>();
    expectTypeOf(signal).toEqualTypeOf<NodeJS.Signals | null>();
  });
  // @ts-expect-error misspelt
  runWorkers('./worker.js', { proceses: 4 });
}
