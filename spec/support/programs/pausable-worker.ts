import { createConnection, Schema } from 'mongoose';
import { taskQueue, Worker } from 'mongoose-task-queue';
import { readInput, say } from './talk';

const { uri } = readInput<{ uri: string }>();

async function main(): Promise<void> {
  const connection = await createConnection(uri).asPromise();
  const Parcel = connection.model('Parcel', taskQueue(new Schema({ number: Number })));
  const worker = new Worker(Parcel, { handler: () => {}, concurrency: 4, pollMs: 20, handleSignals: true });
  worker.once('finished', () => say({ busy: true }));
  worker.once('stopped', () => void connection.destroy());
  await worker.start();
}

void main();
