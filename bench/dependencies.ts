import { Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { popOne } from './claim';
import { drainByWorker } from './drain';
import { atConcurrency, type Comparison, type Contender } from './harness';
import type { Setting } from './setting';
import { insertCopies, nativeOf, recreate, type Stored } from './tasks';

const CALLERS = 64;
const DRAINED = 7_000;
const POPPED = 200;
const BLOCKED = [1_000, 100_000, 1_000_000];
const FINISHED = 1_000;
const CONCURRENCY = 300;
const NEVER = new Date('9999-12-31T00:00:00Z');

/** Tasks that wait for others: what the waiting costs those that do not. */
export async function dependencies(setting: Setting): Promise<Comparison[]> {
  const { connection, database } = setting;
  const Parent = connection.model('Parent', taskQueue(new Schema({ number: Number }), { leaseMs: 3_600_000 }));
  const child = (name: string) => {
    const parent = { type: Schema.Types.ObjectId, ref: 'Parent', dependsOn: 'DIRECT' as const };
    return connection.model(name, taskQueue(new Schema({ number: Number, parent }), { leaseMs: 3_600_000 }));
  };
  type Child = ReturnType<typeof child>;
  const layoutOf = async (model: Child, input: object, options = {}): Promise<Stored> => {
    const task = await model.push(input as never, options);
    return (await nativeOf(model).findOne({ _id: task._id }))!;
  };
  const draining = (name: string, model: Child, prepare: (count: number) => Promise<unknown>): Contender => ({
    name,
    prepare,
    run: (count) => atConcurrency(CALLERS, count, async () => (await popOne(model)).finish()),
  });

  const Free = child('Free');
  const Sharing = child('Sharing');
  for (const model of [Parent, Free, Sharing]) await recreate(model);
  const free = await layoutOf(Free, { number: 0 });
  const done = await Parent.push({ number: 0 });
  await done.finish();
  const sharing = await layoutOf(Sharing, { number: 0, parent: done._id });

  const Plain = connection.model('Plain', taskQueue(new Schema({ number: Number }), { leaseMs: 3_600_000 }));
  const finished = await Parent.push(Array.from({ length: FINISHED }, (_, number) => ({ number })));
  await nativeOf(Parent).updateMany({}, { $set: { state: 'FINISHED' } });
  const byWorker: Comparison = {
    title: `drain by a Worker, concurrency ${CONCURRENCY}`,
    operations: 2 * DRAINED,
    turns: 1,
    metric: 'perSecond',
    target: 0.5,
    baseline: {
      name: 'a model without dependencies',
      prepare: async (count) => {
        await recreate(Plain);
        await insertCopies(nativeOf(Plain), free, count);
      },
      run: (count) => drainByWorker(Plain, count, { concurrency: CONCURRENCY }),
    },
    contenders: [
      {
        name: `one of ${FINISHED} finished ones each`,
        prepare: async (count) => {
          await recreate(Sharing);
          await insertCopies(nativeOf(Sharing), sharing, count, (index) => ({
            parent: finished[index % FINISHED]!._id,
          }));
        },
        run: (count) => drainByWorker(Sharing, count, { concurrency: CONCURRENCY }),
      },
    ],
  };

  const behind: { model: Child; count: number }[] = [];
  for (const count of [0, ...BLOCKED]) {
    const model = child(`Behind${count}`);
    await recreate(model);
    const open = await Parent.push({ number: count });
    const parked = await layoutOf(model, { number: 0, parent: open._id });
    await insertCopies(nativeOf(model), parked, Math.max(0, count - 1), () => ({
      _task: { ...(parked['_task'] as object), availableAt: NEVER, recheckAt: NEVER },
    }));
    behind.push({ model, count });
  }
  await database.admin().command({ fsync: 1 });
  const popping = ({ model, count }: { model: Child; count: number }): Contender => ({
    name: count === 0 ? 'one that waits' : `${count.toLocaleString('en').replaceAll(',', ' ')} that wait`,
    prepare: (tasks) => insertCopies(nativeOf(model), free, tasks),
    run: (tasks) => atConcurrency(1, tasks, () => popOne(model)),
  });

  return [
    {
      title: `drain, ${CALLERS} loops`,
      operations: DRAINED,
      metric: 'perSecond',
      target: 0.7,
      baseline: draining('no dependency', Free, async (count) => {
        await recreate(Free);
        await insertCopies(nativeOf(Free), free, count);
      }),
      contenders: [
        draining('a finished one, shared by all', Sharing, async (count) => {
          await recreate(Sharing);
          await insertCopies(nativeOf(Sharing), sharing, count);
        }),
      ],
    },
    byWorker,
    {
      title: 'pop() of the one that is ready',
      operations: POPPED,
      metric: 'p50Ms',
      target: 1.5,
      baseline: popping(behind[0]!),
      contenders: behind.slice(1).map(popping),
    },
  ];
}
