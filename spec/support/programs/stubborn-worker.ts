import { createConnection, Schema } from 'mongoose';
import { taskQueue, Worker } from 'mongoose-task-queue';
import { readInput, say } from './talk';

const { uri, concurrency } = readInput<{ uri: string; concurrency: number }>();

/** Said together, later: a write for each would take longer than the aborts that are timed. */
const aborted: Record<string, unknown>[] = [];

function noteAborted(id: string, reason: unknown): void {
  if (aborted.length === 0) setImmediate(() => aborted.splice(0).forEach(say));
  aborted.push({ aborted: id, reason: (reason as Error).name, at: Date.now() });
}

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
          noteAborted(task.id as string, signal.reason);
          refuse(new Error('stopped'));
        });
      });
    },
  });
  worker.on('cancelled', (task) => say({ cancelled: task.id }));
  await worker.start();
}

void main();
