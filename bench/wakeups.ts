import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'mongoose-task-queue';
import type { Comparison, Contender } from './harness';
import { claim, rawQueue } from './raw';
import type { Setting } from './setting';
import { familyModels, layouts, nativeOf, payload, pushFamilies, recreate, taskModel, type Task } from './tasks';

const PUSHES = 40;
/** Between the start of one task and the push of the next: so that the worker has settled, has found nothing, and rests. */
const PAUSE_MS = 60;

/** From a call to the first line of the handler of a worker that had nothing to do: of a `push()`, and of the `finish()` of a parent. */
export async function wakeups({ connection, database, uri }: Setting): Promise<Comparison[]> {
  const Task = taskModel(connection);
  const { ready } = await layouts(Task);
  await recreate(Task);
  const raw = database.collection('raw');
  const insertAndClaim = async () => {
    await raw.insertOne({ ...ready, _id: undefined } as never);
    await claim(raw);
  };

  const baseline: Contender = {
    ...rawQueue(raw, ready, 1, insertAndClaim),
    name: 'insert, then claim, by the plain driver',
    prepare: () => raw.deleteMany({}),
    run: (count) => afterPauses(count, insertAndClaim),
  };

  const compared = (title: string, contenders: Contender[]): Comparison => ({
    title,
    operations: PUSHES,
    metric: 'p50Ms',
    baseline,
    contenders,
  });
  return [
    compared('push() to the start of the handler', [inSameProcess(Task), inAnotherProcess(Task, uri)]),
    compared("finish() of a parent to the start of its child's handler", [ofChild(familyModels(connection))]),
  ];
}

function ofChild(family: ReturnType<typeof familyModels>): Contender {
  let parents: Awaited<ReturnType<typeof pushFamilies>>;
  let worker: Worker<InstanceType<(typeof family)['Child']>>;
  let started: (at: bigint) => void;

  return {
    name: 'an idle worker of the same process',
    async prepare(count) {
      parents = await pushFamilies(family, count);
      worker = new Worker(family.Child, { handler: () => started(process.hrtime.bigint()) });
      await worker.start();
    },
    async run(count) {
      const next = () => new Promise<bigint>((fulfil) => (started = fulfil));
      const durations = await untilStarted(count, (index) => parents[index]!.finish(), next);
      await worker.stop();
      return durations;
    },
  };
}

function inSameProcess(Task: ReturnType<typeof taskModel>): Contender {
  let worker: Worker<InstanceType<Task>>;
  let started: (at: bigint) => void;

  return {
    name: 'an idle worker of the same process',
    async prepare() {
      await nativeOf(Task).deleteMany({});
      worker = new Worker(Task, { handler: () => started(process.hrtime.bigint()) });
      await worker.start();
    },
    async run(count) {
      const durations = await untilStarted(
        count,
        () => Task.push(payload),
        () => new Promise((fulfil) => (started = fulfil)),
      );
      await worker.stop();
      return durations;
    },
  };
}

function inAnotherProcess(Task: ReturnType<typeof taskModel>, uri: string): Contender {
  let child: ChildProcess;

  return {
    name: 'an idle worker of another process',
    async prepare() {
      await nativeOf(Task).deleteMany({});
      child = fork(resolve(__dirname, 'wakeups-worker.ts'), [uri]);
      await once(child, 'message');
    },
    async run(count) {
      const durations = await untilStarted(
        count,
        () => Task.push(payload),
        async () => BigInt(((await once(child, 'message')) as [string])[0]),
      );
      child.disconnect();
      await once(child, 'exit');
      return durations;
    },
  };
}

/** With the same pauses as the others: what has rested is slower to begin. */
async function afterPauses(count: number, operation: () => Promise<void>): Promise<number[]> {
  const durations: number[] = [];
  for (let call = 0; call < count; call++) {
    await sleep(PAUSE_MS);
    const startedAt = performance.now();
    await operation();
    durations.push(performance.now() - startedAt);
  }

  return durations;
}

/** The clock is the machine's, so that two processes can be compared. */
async function untilStarted(
  count: number,
  operation: (index: number) => Promise<unknown>,
  nextStart: () => Promise<bigint>,
): Promise<number[]> {
  const durations: number[] = [];
  for (let call = 0; call < count; call++) {
    await sleep(PAUSE_MS);
    const starting = nextStart();
    const calledAt = process.hrtime.bigint();
    await operation(call);
    durations.push(Number((await starting) - calledAt) / 1e6);
  }

  return durations;
}
