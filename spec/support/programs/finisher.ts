import { createConnection, Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { readInput, say } from './talk';

const { uri, model } = readInput<{ uri: string; model: string }>();

/** Pops one task of a model and finishes it, knowing nothing of what waits for it. */
async function main(): Promise<void> {
  const connection = await createConnection(uri).asPromise();
  const Task = connection.model(model, taskQueue(new Schema({ name: String })));
  const task = await Task.pop();
  await task?.finish();
  say({ finished: task?.id ?? null });
  await connection.destroy();
}

void main();
