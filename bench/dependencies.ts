import { Schema, Types, type mongo } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { atConcurrency, type Comparison, type Contender } from './harness';
import { claim, finish, rawQueue } from './raw';
import type { Setting } from './setting';
import { insertCopies, type Stored } from './tasks';

const CALLERS = 64;
const DRAINED = 10_000;
const POPPED = 200;
const BLOCKED = [1_000, 100_000, 1_000_000];
const RELEASED = 500;
const NEVER = new Date('9999-12-31T00:00:00Z');

/** Tasks that wait for others: what the waiting costs those that do not, and what being woken costs. */
export async function dependencies(setting: Setting): Promise<Comparison[]> {
  const { connection, database } = setting;
  const Parent = connection.model('Parent', taskQueue(new Schema({ number: Number }), { leaseMs: 3_600_000 }));
  const child = (name: string) => {
    const parent = { type: Schema.Types.ObjectId, ref: 'Parent', dependsOn: 'DIRECT' as const };
    return connection.model(name, taskQueue(new Schema({ number: Number, parent }), { leaseMs: 3_600_000 }));
  };
  type Child = ReturnType<typeof child>;
  const nativeOf = (model: Child | typeof Parent) => model.collection as unknown as mongo.Collection;
  const renew = async (...models: (Child | typeof Parent)[]) => {
    for (const model of models) {
      await nativeOf(model).drop();
      await model.ensureTaskIndexes();
    }
  };
  const layoutOf = async (model: Child, input: object, options = {}): Promise<Stored> => {
    const task = await model.push(input as never, options);
    return (await nativeOf(model).findOne({ _id: task._id }))!;
  };
  const take = async (model: Child) => {
    const task = await model.pop();
    if (!task) throw new Error(`${model.modelName} is empty too early.`);
    return task;
  };
  const draining = (name: string, model: Child, prepare: (count: number) => Promise<unknown>): Contender => ({
    name,
    prepare,
    run: (count) => atConcurrency(CALLERS, count, async () => (await take(model)).finish()),
  });

  const Free = child('Free');
  const Sharing = child('Sharing');
  const Single = child('Single');
  await renew(Parent, Free, Sharing, Single);
  const free = await layoutOf(Free, { number: 0 });
  const done = await Parent.push({ number: 0 });
  await done.finish();
  const sharing = await layoutOf(Sharing, { number: 0, parent: done._id });

  // Each child's parent is finished by a raw write while the children are drained.
  let finishing: Promise<unknown> = Promise.resolve();
  const withParents = async (count: number) => {
    await finishing;
    await renew(Parent, Single);
    const parents = await Parent.push(Array.from({ length: count }, (_, number) => ({ number })));
    await Single.push(parents.map(({ _id }, number) => ({ number, parent: _id })));
  };
  const piped = draining('one parent each, finished meanwhile', Single, withParents);
  const pipeline: Contender = {
    ...piped,
    run: async (count) => {
      finishing = nativeOf(Parent).updateMany({}, { $set: { state: 'FINISHED' } });
      return atConcurrency(CALLERS, count, async () => {
        for (;;) {
          const task = await Single.pop();
          if (task) return task.finish();
        }
      });
    },
  };
  const raw = database.collection('raw');

  const behind: { model: Child; count: number }[] = [];
  for (const count of [0, ...BLOCKED]) {
    const model = child(`Behind${count}`);
    await renew(model);
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
    run: (tasks) => atConcurrency(1, tasks, () => take(model)),
  });

  const Next = child('Next');
  await renew(Next);
  const finishThenPop = async () => {
    const parent = await Parent.push({ number: 1 });
    await Next.push({ number: 1, parent: parent._id });
    return parent;
  };
  let ready: Awaited<ReturnType<typeof finishThenPop>>[] = [];

  return [
    {
      title: `drain, ${CALLERS} loops`,
      operations: DRAINED,
      metric: 'perSecond',
      target: 0.7,
      baseline: draining('no dependency', Free, async (count) => {
        await renew(Free);
        await insertCopies(nativeOf(Free), free, count);
      }),
      contenders: [
        draining('a finished one, shared by all', Sharing, async (count) => {
          await renew(Sharing);
          await insertCopies(nativeOf(Sharing), sharing, count);
        }),
      ],
    },
    {
      title: `drain of children, ${CALLERS} loops`,
      operations: DRAINED,
      metric: 'perSecond',
      baseline: rawQueue(raw, free, 32, async () => finish(raw, (await claim(raw))['_id'] as Types.ObjectId)),
      contenders: [pipeline],
    },
    {
      title: 'pop() of the one that is ready',
      operations: POPPED,
      metric: 'p50Ms',
      target: 1.5,
      baseline: popping(behind[0]!),
      contenders: behind.slice(1).map(popping),
    },
    {
      title: 'finish() of a parent and pop() of its child',
      operations: RELEASED,
      metric: 'p50Ms',
      baseline: {
        name: 'pop() and finish()',
        prepare: async (count) => {
          await renew(Free);
          await insertCopies(nativeOf(Free), free, count);
        },
        run: (count) => atConcurrency(1, count, async () => (await take(Free)).finish()),
      },
      contenders: [
        {
          name: 'finish(), then pop()',
          prepare: async (count) => {
            ready = [];
            for (let index = 0; index < count; index++) ready.push(await finishThenPop());
          },
          run: (count) =>
            atConcurrency(1, count, async (index) => {
              await ready[index]!.finish();
              return take(Next);
            }),
        },
      ],
    },
  ];
}
