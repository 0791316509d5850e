import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { drainByWorker } from './drain';
import type { Comparison, Contender } from './harness';
import type { Setting } from './setting';
import { insertCopies, layouts, nativeOf, taskModel } from './tasks';

const FINISHED = 200_000;
const OPERATIONS = 30_000;
const CONCURRENCY = 32;

/** A queue that is worked empty while five people look at it, beside many tasks that have ended or wait. */
export async function viewers({ connection, uri, tasks: finishedCount = FINISHED }: Setting): Promise<Comparison[]> {
  const Task = taskModel(connection);
  const { ready, delayed, finished } = await layouts(Task);
  await nativeOf(Task).drop();
  await insertCopies(nativeOf(Task), finished, finishedCount);
  await insertCopies(nativeOf(Task), { ...finished, state: 'FAILED' }, finishedCount / 20);
  await insertCopies(nativeOf(Task), delayed, finishedCount / 10);
  await Task.ensureTaskIndexes();
  let child: ChildProcess | undefined;
  const look = async () => {
    child = fork(resolve(__dirname, 'viewers-process.ts'), [uri]);
    await once(child, 'message');
  };
  const leave = async () => {
    if (!child?.connected) return;
    child.disconnect();
    await once(child, 'exit');
  };
  const worker = (name: string, before: () => Promise<void>): Contender => ({
    name,
    async prepare(count) {
      await leave();
      await insertCopies(nativeOf(Task), ready, count);
      await before();
    },
    run: (count) => drainByWorker(Task, count, { concurrency: CONCURRENCY }),
  });

  return [
    {
      title: `Worker, concurrency ${CONCURRENCY}`,
      operations: OPERATIONS,
      turns: 1,
      metric: 'perSecond',
      target: 0.95,
      baseline: worker('nobody looks', async () => {}),
      contenders: [worker('five viewers', look)],
      close: leave,
    },
  ];
}
