import { setTimeout as sleep } from 'node:timers/promises';
import { createConnection, Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { readInput, say } from './talk';

interface Input {
  uri: string;
  /** How many tasks there will be: nobody claims before all of them are in the queue. */
  tasks: number;
  callers: number;
  /** Tasks per claim by `popMany`, or 0 for `pop`. */
  limit: number;
}

const { uri, tasks, callers, limit } = readInput<Input>();

async function main(): Promise<void> {
  const connection = await createConnection(uri).asPromise();
  const Letter = connection.model('Letter', taskQueue(new Schema({ number: Number })));
  const claim = async () => (limit > 0 ? Letter.popMany(limit) : [(await Letter.pop()) ?? []].flat());
  await Letter.pop();
  say({ ready: true });
  while ((await Letter.countDocuments()) < tasks) await sleep(5);

  await Promise.all(Array.from({ length: callers }, () => claimUntilNone(claim)));

  await connection.destroy();
}

// The claims of one caller come one after the other, so their order can be judged.
async function claimUntilNone(claim: () => Promise<{ number?: number | null }[]>): Promise<void> {
  const popped: unknown[] = [];
  for (;;) {
    const claimed = await claim();
    if (claimed.length === 0) break;
    popped.push(...claimed.map(({ number }) => number));
  }
  say({ popped });
}

void main();
