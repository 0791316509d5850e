import { setTimeout as sleep } from 'node:timers/promises';
import { createConnection, Schema, type mongo } from 'mongoose';
import { taskQueue, Worker } from 'mongoose-task-queue';
import { readInput, say } from './talk';

interface Input {
  uri: string;
  every: number;
}

/** Pushes the recurring task as every start of a program does, works on it, and says for which slot. Killed by the spec. */
async function main({ uri, every }: Input): Promise<void> {
  const connection = await createConnection(uri).asPromise();
  const Tick = connection.model('Tick', taskQueue(new Schema({ count: Number }), { leaseMs: 400 }));
  const tasks = Tick.collection as unknown as mongo.Collection;
  const worker = new Worker(Tick, {
    pollMs: 10,
    async handler(tick) {
      const raw = await tasks.findOne({ _id: tick._id });
      say({ slot: (raw!['_task'] as { dueAt: Date }).dueAt.getTime(), attempt: tick.attempts });
      await sleep(Math.random() * every * 2);
      tick.count = (tick.count ?? 0) + 1;
    },
  });
  worker.on('finished', (tick) => say({ finished: tick.count }));
  worker.on('lost', () => say({ lost: true }));
  await Tick.push({ count: 0 }, { every, key: 'tick' });
  await worker.start();
}

void main(readInput<Input>());
