import { once } from 'node:events';
import { createConnection, Schema } from 'mongoose';
import { taskQueue, Worker } from 'mongoose-task-queue';
import { readInput, say } from './talk';

/** Leads tasks through all that can become of them. */
async function main({ uri }: { uri: string }): Promise<void> {
  const connection = await createConnection(uri).asPromise();
  const Mail = connection.model('Mail', taskQueue(new Schema({ to: String })));
  await Mail.deleteMany();

  const tasks = await Mail.push([{ to: 'ada' }, { to: 'nobody' }]);
  await (await Mail.pop())!.release();
  await (await Mail.pop())!.finish();
  await (await Mail.pop())!.retry({ delayMs: 0 });
  await (await Mail.pop())!.fail();
  const nightly = await Mail.push({ to: 'all' }, { every: 60_000, key: 'nightly' });
  await nightly.unschedule();
  const lost = await Mail.push({ to: 'all' });
  const worker = new Worker(Mail, { handler: () => Mail.deleteOne({ _id: lost._id }) });
  const loss = once(worker, 'lost');
  await worker.start();
  await loss;
  await worker.stop();

  say({ ids: [...tasks, nightly, lost].map(({ id }) => id) });
  await connection.destroy();
}

void main(readInput<{ uri: string }>());
