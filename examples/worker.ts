// A worker: several tasks at once, retries with backoff, a task that cannot succeed, one that takes too long.
// Run it with: npm run example -- worker
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, disconnect, model, Schema } from 'mongoose';
import { constant, taskQueue, UnrecoverableError, Worker } from 'mongoose-task-queue';

const Email = model('Email', taskQueue(new Schema({ to: String }), { maxAttempts: 2, backoff: constant(10) }));

async function main() {
  await connect(process.env['MONGODB_URI'] ?? 'mongodb://127.0.0.1/worker');
  await Email.deleteMany();
  await Email.push([
    { to: 'ada@example.org' },
    { to: 'flaky@example.org' },
    { to: 'nobody' },
    { to: 'slow@example.org' },
  ]);

  const log: string[] = [];
  let left = 4;
  const worker = new Worker(Email, {
    concurrency: 4,
    timeoutMs: 200, // then the signal is aborted and the attempt has failed
    async handler(email, { signal }) {
      if (!email.to?.includes('@')) throw new UnrecoverableError('no address');
      if (email.to.startsWith('flaky') && email.attempts === 1) throw new Error('try again');
      if (email.to.startsWith('slow')) await sleep(10_000, undefined, { signal });
    },
  });
  const done = new Promise<void>((resolve) => {
    const settled = () => --left === 0 && resolve();
    worker.on('retried', (email) => log.push(`retried ${email.to}`));
    worker.on('finished', (email) => (log.push(`finished ${email.to} at attempt ${email.attempts}`), settled()));
    worker.on('failed', (email, error) => (log.push(`failed ${email.to}: ${(error as Error).name}`), settled()));
  });

  await worker.start();
  await done;
  await worker.stop();
  console.log(log.sort().join('\n'));
  await disconnect();
}

void main();
