import { createConnection } from 'mongoose';
import { Worker } from 'mongoose-task-queue';
import { taskModel } from './tasks';

const REPORT_MS = 10;

/** A worker in a process of its own, from `go` on. It tells how many tasks it finished, and ends with the process that started it. */
async function main(uri: string): Promise<void> {
  const connection = await createConnection(uri, { autoCreate: false, autoIndex: false }).asPromise();
  const Task = taskModel(connection);
  await Task.ensureTaskIndexes();
  const worker = new Worker(Task, { handler: () => {}, concurrency: 32 });
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

void main(process.argv[2]!);
