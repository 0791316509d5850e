import { createConnection, Schema } from 'mongoose';
import { taskQueue, Worker } from 'mongoose-task-queue';
import { readInput, say } from './talk';

const { uri, concurrency } = readInput<{ uri: string; concurrency: number }>();

/** Holds its tasks until they are cancelled, and says when each of their signals was aborted. */
async function main(): Promise<void> {
  const connection = await createConnection(uri).asPromise();
  const Order = connection.model('Order', taskQueue(new Schema({})));
  const worker = new Worker(Order, {
    concurrency,
    prefetch: 0,
    handler: async (task, { signal }) => {
      say({ started: task.id });
      await new Promise<void>((_, refuse) => {
        signal.addEventListener('abort', () => {
          say({ aborted: task.id, reason: (signal.reason as Error).name, at: Date.now() });
          refuse(new Error('stopped'));
        });
      });
    },
  });
  worker.on('cancelled', (task) => say({ cancelled: task.id }));
  await worker.start();
}

void main();
