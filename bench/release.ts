import { popOne } from './claim';
import { drainByWorker } from './drain';
import { atConcurrency, type Comparison, type Contender } from './harness';
import { claim, finish, rawQueue } from './raw';
import type { Setting } from './setting';
import { familyModels, insertCopies, nativeOf, pushFamilies, recreate, type Stored } from './tasks';

const LOOPS = 64;
const CHILDREN = 6_000;
const PAIRS = 500;
const WATCHERS = 30_000;
const BATCH = 500;

/** Tasks that become ready because of others: from the end of what they wait for until they are popped. */
export async function release({ connection, database, tasks = WATCHERS }: Setting): Promise<Comparison[]> {
  const family = familyModels(connection);
  const { Parent, Child } = family;
  const [parents, children] = [nativeOf(Parent), nativeOf(Child)];
  const renew = () => Promise.all([recreate(Parent), recreate(Child)]);
  await renew();
  const { _id } = await Child.push({ number: 0 });
  const free = (await children.findOne({ _id })) as Stored;
  const raw = database.collection('raw');

  const withParents = (count: number) => pushFamilies(family, count);
  const whileFinished = async (work: () => Promise<number[]>) => {
    const finishing = parents.updateMany({}, { $set: { state: 'FINISHED' } });
    const durations = await work();
    await finishing;
    return durations;
  };
  const pipelines: Contender[] = [
    {
      name: `pop() and finish() in ${LOOPS} loops`,
      prepare: withParents,
      run: (count) =>
        whileFinished(() =>
          atConcurrency(LOOPS, count, async () => {
            let task = await Child.pop();
            while (!task) task = await Child.pop();
            await task.finish();
          }),
        ),
    },
    {
      name: 'Worker, concurrency 300',
      prepare: withParents,
      run: (count) => whileFinished(() => drainByWorker(Child, count, { concurrency: 300 })),
    },
  ];

  let pairs: InstanceType<typeof Parent>[] = [];
  const finishThenPop: Contender = {
    name: 'finish() of a parent, then pop() of its child',
    async prepare(count) {
      pairs = await pushFamilies(family, count);
    },
    run: (count) =>
      atConcurrency(1, count, async (index) => {
        await pairs[index]!.finish();
        await popOne(Child);
      }),
  };
  const freely: Contender = {
    name: 'pop() and finish() without a dependency',
    async prepare(count) {
      await renew();
      await insertCopies(children, free, count);
    },
    run: (count) => atConcurrency(1, count, async () => (await popOne(Child)).finish()),
  };

  const watched = async (count: number) => {
    await renew();
    const one = await Parent.push({ number: 0 });
    const first = await Child.push({ number: 0, parent: one._id });
    const parked = (await children.findOne({ _id: first._id })) as Stored;
    await insertCopies(children, parked, count - 1);
    await one.finish();
  };
  // Each duration is that of one call, and is counted once for each task that it brought.
  const inBatches = async (count: number) => {
    const durations: number[] = [];
    while (durations.length < count) {
      const startedAt = performance.now();
      const { length } = await Child.popMany(BATCH);
      durations.push(...Array.from({ length }, () => performance.now() - startedAt));
    }
    return durations;
  };

  return [
    {
      title: 'claim and finish of children, their parents finished meanwhile',
      operations: CHILDREN,
      turns: 1,
      metric: 'perSecond',
      baseline: rawQueue(raw, free, 32, async () => finish(raw, (await claim(raw))['_id'])),
      contenders: pipelines,
    },
    { title: 'one after the other', operations: PAIRS, metric: 'p50Ms', baseline: freely, contenders: [finishThenPop] },
    {
      title: `popMany(${BATCH}) until all were popped`,
      operations: tasks,
      turns: 1,
      metric: 'perSecond',
      baseline: {
        name: 'tasks that are ready',
        async prepare(count) {
          await renew();
          await insertCopies(children, free, count);
        },
        run: inBatches,
      },
      contenders: [{ name: 'tasks of one dependency, just finished', prepare: watched, run: inBatches }],
    },
  ];
}
