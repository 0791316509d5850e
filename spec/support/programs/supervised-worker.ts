import { setTimeout as sleep } from 'node:timers/promises';
import { createConnection, Schema } from 'mongoose';
import { taskQueue, Worker } from 'mongoose-task-queue';
import { say } from './talk';

/** A worker file as one writes it for `runWorkers()`. */
async function main(uri: string): Promise<void> {
  const connection = await createConnection(uri).asPromise();
  const Job = connection.model('Job', taskQueue(new Schema({ ms: Number })));
  const worker = new Worker(Job, {
    handleSignals: true,
    pollMs: 20,
    handler: async (job) => {
      say({ working: process.pid });
      await sleep(job.ms ?? 0);
    },
  });
  worker.on('stopped', () => void connection.close());
  await worker.start();
  say({ ready: process.pid });
}

void main(process.argv[2]!);
