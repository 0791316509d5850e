import { createConnection, Schema } from 'mongoose';
import { taskQueue, Worker } from 'mongoose-task-queue';

/** Pushes a task, has it done by a worker, and resolves to what it then is. */
export async function work(uri) {
  const connection = await createConnection(uri).asPromise();
  const Mail = connection.model('Mail', taskQueue(new Schema({ to: String })));
  await Mail.deleteMany({});
  const { _id } = await Mail.push({ to: 'ada@example.org' });
  const worker = new Worker(Mail, { handler: () => {} });
  await worker.start();
  await worker.drained();
  await worker.stop();
  const { to, state } = await Mail.findById(_id);
  await connection.close();

  return `${to} ${state}`;
}
