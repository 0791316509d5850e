import { expectTypeOf } from 'expect-type';
import { model, Schema, type Model } from 'mongoose';
import {
  attempts,
  ensureTaskIndexes,
  fail,
  failures,
  finish,
  history,
  isEmpty,
  lease,
  pause,
  paused,
  pop,
  popMany,
  progress,
  push,
  queue,
  release,
  renew,
  requeue,
  resume,
  retry,
  stats,
  taskQueue,
  workers,
  type HistoryMinute,
  type Lease,
  type Pause,
  type Requeued,
  type State,
  type TaskFailure,
  type TaskStats,
  type WorkerRecord,
} from 'mongoose-task-queue';

const Mail = model('Mail', taskQueue(new Schema({ to: { type: String, required: true } }), { bind: false }));
const Address = model(
  'Address',
  taskQueue(new Schema({ state: { type: String, required: true }, any: {} }), {
    bind: false,
    fields: { state: 'taskState' },
  }),
);
type Task = InstanceType<typeof Mail>;

export async function functionsOverAModel(): Promise<void> {
  expectTypeOf<Task>().not.toBeAny();
  expectTypeOf<Task['state']>().toEqualTypeOf<State>();
  expectTypeOf(await pop(Mail)).toEqualTypeOf<Task | null>();
  expectTypeOf(await popMany(Mail, 10, { category: 'abroad' })).toEqualTypeOf<Task[]>();
  for await (const task of queue(Mail, { pollMs: 500 })) expectTypeOf(task).toEqualTypeOf<Task>();
  expectTypeOf(isEmpty(Mail)).toEqualTypeOf<Promise<boolean>>();
  expectTypeOf(ensureTaskIndexes(Mail)).toEqualTypeOf<Promise<void>>();
  expectTypeOf(stats(Mail)).toEqualTypeOf<Promise<TaskStats>>();
  expectTypeOf(pause(Mail, { reason: 'why' })).toEqualTypeOf<Promise<void>>();
  expectTypeOf(resume(Mail)).toEqualTypeOf<Promise<void>>();
  expectTypeOf(paused(Mail)).toEqualTypeOf<Promise<Pause[]>>();
  expectTypeOf(history(Mail, { minutes: 5 })).toEqualTypeOf<Promise<HistoryMinute[]>>();
  expectTypeOf(workers(Mail)).toEqualTypeOf<Promise<WorkerRecord[]>>();
  expectTypeOf(requeue(Mail, {})).toEqualTypeOf<Promise<Requeued>>();
  await requeue(Mail, { to: /@example/, $or: [{ to: 'ada' }], '_task.settledAt': { $gte: new Date() } }, { limit: 5 });
  // @ts-expect-error without a filter
  await requeue(Mail);
  // @ts-expect-error misspelt option
  await requeue(Mail, {}, { delay: 5 });
  // @ts-expect-error not a model
  await pop(new Mail());
  // @ts-expect-error misspelt option
  await pop(Mail, { categry: 'abroad' });
}

export async function pushTakesAModelOrATask(task: Task): Promise<void> {
  expectTypeOf(await push(task, { delayMs: 1_000 })).toEqualTypeOf<Task>();
  expectTypeOf(await push(Mail, { to: 'ada@example.org' }, { key: 'ada' })).toEqualTypeOf<Task>();
  expectTypeOf(await push(Mail, [{ to: 'ada@example.org' }])).toEqualTypeOf<Task[]>();
  expectTypeOf(await push(Mail, task)).toEqualTypeOf<Task>();
  expectTypeOf(await push(Mail, [task])).toEqualTypeOf<Task[]>();
  // @ts-expect-error unknown key
  await push(Mail, { too: 'ada@example.org' });
  // @ts-expect-error `push` sets the state
  await push(Mail, { to: 'ada@example.org', state: 'CREATED' });
  // @ts-expect-error `push` sets the state, whatever its name
  await push(Address, { state: 'NY', taskState: 'CREATED' });
  await push(Address, { state: 'NY' });
  // @ts-expect-error without a task
  await push(Mail);
}

export async function functionsOverATask(task: Task): Promise<void> {
  expectTypeOf(await finish(task)).toEqualTypeOf<Task>();
  expectTypeOf(await fail(task, new Error('no such address'))).toEqualTypeOf<Task>();
  expectTypeOf(await retry(task, { delayMs: 1_000 })).toEqualTypeOf<Task>();
  expectTypeOf(await release(task)).toEqualTypeOf<Task>();
  expectTypeOf(renew(task, 60_000)).toEqualTypeOf<Promise<Lease>>();
  expectTypeOf(lease(task)).toEqualTypeOf<Lease | null>();
  expectTypeOf(attempts(task)).toEqualTypeOf<number>();
  expectTypeOf(failures(task)).toEqualTypeOf<readonly TaskFailure[]>();
  // @ts-expect-error a plain object is no handle
  await finish(task.toObject());
  // @ts-expect-error not a task
  await finish(Mail);
}

export async function anyModelTypeWillDo(Declared: Model<{ to: string }>): Promise<void> {
  expectTypeOf((await pop(Declared))!.to).toEqualTypeOf<string>();
}

export async function progressIsAValue(task: Task, value: unknown): Promise<void> {
  expectTypeOf(await progress(task, { done: 3, of: 10 })).toEqualTypeOf<Lease>();
  await progress(task, value);
  await progress(task, [1, 'two', 3n, null]);
  // @ts-expect-error a function cannot be stored
  await progress(task, () => 1);
  // @ts-expect-error nor can a symbol
  await progress(task, Symbol('half'));
}

export async function sessionsAreSessions(task: Task): Promise<void> {
  // @ts-expect-error an object is none
  await finish(task, { session: {} });
  // @ts-expect-error an object is none
  await push(task, { session: {} });
}

export function schemasAreSchemas(): void {
  // @ts-expect-error a definition is none
  taskQueue({ to: String });
}
