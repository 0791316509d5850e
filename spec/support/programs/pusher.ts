import { createConnection, Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { readInput, say } from './talk';

const { uri } = readInput<{ uri: string }>();

/** Pushes one order, and lives on. */
async function main(): Promise<void> {
  const connection = await createConnection(uri).asPromise();
  const Order = connection.model('Order', taskQueue(new Schema({})));
  const { _id } = await Order.push({});
  say({ pushed: String(_id) });
}

void main();
