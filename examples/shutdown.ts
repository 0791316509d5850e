// Stopping without losing work: what is in hand may end, what takes longer is given back without an attempt being charged.
// Run it with: npm run example -- shutdown
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, disconnect, model, Schema } from 'mongoose';
import { taskQueue, Worker } from 'mongoose-task-queue';

const Job = model('Job', taskQueue(new Schema({ ms: Number })));

async function main() {
  await connect(process.env['MONGODB_URI'] ?? 'mongodb://127.0.0.1/shutdown');
  await Job.deleteMany();
  await Job.push([{ ms: 50 }, { ms: 60_000 }]);

  let started = 0;
  const worker = new Worker(Job, {
    concurrency: 2,
    handleSignals: true, // SIGTERM and SIGINT call stop()
    stopTimeoutMs: 300,
    handler: async (job, { signal }) => {
      if (++started === 2) process.kill(process.pid, 'SIGTERM'); // as a deploy would
      await sleep(job.ms ?? 0, undefined, { signal });
    },
  });
  worker.on('finished', (job) => console.log(`finished the one of ${job.ms} ms`));
  worker.on('released', (job) => console.log(`gave back the one of ${job.ms} ms, attempts charged: ${job.attempts}`));
  const stopped = new Promise<void>((resolve) => worker.once('stopped', () => resolve()));

  await worker.start();
  await stopped;
  console.log('still in the queue:', await Job.countDocuments({ state: 'CREATED' }));
  await disconnect();
}

void main();
