import { createConnection, Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
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

  say({ ids: [...tasks, nightly].map(({ id }) => id) });
  await connection.destroy();
}

void main(readInput<{ uri: string }>());
