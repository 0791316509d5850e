import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { Comparison, Contender } from './harness';
import type { Setting } from './setting';
import { insertCopies, layouts, nativeOf, recreate, taskModel } from './tasks';

const OPERATIONS = 24_000;
const PROCESSES = [2, 4];

/** One queue that is worked empty by a worker in one process, and by workers in several. */
export async function contention({ connection, uri }: Setting): Promise<Comparison[]> {
  const Task = taskModel(connection);
  const { ready } = await layouts(Task);
  const workers = (count: number): Contender => {
    let children: ChildProcess[] = [];

    return {
      name: count === 1 ? 'one process' : `${count} processes`,
      async prepare(operations) {
        await recreate(Task);
        await insertCopies(nativeOf(Task), ready, operations);
        children = Array.from({ length: count }, () => fork(resolve(__dirname, 'contention-worker.ts'), [uri]));
        await Promise.all(children.map((child) => once(child, 'message')));
      },
      async run(operations) {
        const startedAt = performance.now();
        const durations = await untilFinished(children, operations, startedAt);
        for (const child of children) child.disconnect();
        await Promise.all(children.map((child) => once(child, 'exit')));
        return durations;
      },
    };
  };

  return [
    {
      title: 'Worker, concurrency 32',
      operations: OPERATIONS,
      turns: 1,
      metric: 'perSecond',
      target: 0.8,
      baseline: workers(1),
      contenders: PROCESSES.map(workers),
    },
  ];
}

/** When each task was reported as finished, counted from the start, in milliseconds. */
async function untilFinished(children: ChildProcess[], operations: number, startedAt: number): Promise<number[]> {
  const durations: number[] = [];
  await new Promise<void>((done) => {
    for (const child of children) {
      child.on('message', (finished: number) => {
        durations.push(...Array.from({ length: finished }, () => performance.now() - startedAt));
        if (durations.length >= operations) done();
      });
      child.send('go');
    }
  });

  return durations;
}
