import { createConnection } from 'mongoose';
import { Worker } from 'mongoose-task-queue';
import { taskModel } from './tasks';

/** A worker in a process of its own that tells when each handler started. It ends with the process that started it. */
async function main(uri: string): Promise<void> {
  const connection = await createConnection(uri, { autoCreate: false, autoIndex: false }).asPromise();
  const worker = new Worker(taskModel(connection), {
    handler: () => void process.send!(String(process.hrtime.bigint())),
  });
  process.once('disconnect', () => process.exit());
  await worker.start();
  worker.once('idle', () => process.send!('ready'));
}

void main(process.argv[2]!);
