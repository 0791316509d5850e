import { createConnection, type Connection } from 'mongoose';
import { Worker } from 'mongoose-task-queue';
import { drainByWorker } from './drain';
import { nativeOf, payload, recreate, taskModel } from './tasks';

const REPORT_MS = 10;
const CONCURRENCY = 32;
const WARM_UP = 6_000;

/** A worker in a process of its own, from `go` on. It tells how many tasks it finished, and ends with the process that started it. */
async function main(uri: string): Promise<void> {
  const connection = await createConnection(uri, { autoCreate: false, autoIndex: false }).asPromise();
  const Task = taskModel(connection);
  await Task.ensureTaskIndexes();
  await warmUp(connection);
  const worker = new Worker(Task, { handler: () => {}, concurrency: CONCURRENCY });
  let finished = 0;
  worker.on('finished', () => void finished++);
  setInterval(() => {
    if (finished > 0) process.send!(finished);
    finished = 0;
  }, REPORT_MS);
  process.once('disconnect', () => process.exit());
  process.once('message', () => void worker.start());
  process.send!(0);
}

/** By a queue of its own: that many processes get warm is no contention. */
async function warmUp(connection: Connection): Promise<void> {
  const Own = taskModel(connection, `Own${process.pid}`);
  await recreate(Own);
  await Own.push(Array.from({ length: WARM_UP }, () => payload));
  await drainByWorker(Own, WARM_UP, { concurrency: CONCURRENCY });
  await nativeOf(Own).drop();
}

void main(process.argv[2]!);
