import { createConnection, Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { readInput, say } from './talk';

const { uri, recheckMs } = readInput<{ uri: string; recheckMs: number }>();

/** Works through a graph of nodes until it is killed, and says of each node whether something it comes after was open. */
async function main(): Promise<void> {
  const connection = await createConnection(uri).asPromise();
  const schema = new Schema({
    name: Number,
    after: [{ type: Schema.Types.ObjectId, ref: 'Node', dependsOn: 'ALL_OF' as const }],
  });
  const Node = connection.model('Node', taskQueue(schema, { leaseMs: 400, maxAttempts: 1_000, recheckMs }));

  for await (const node of Node.queue({ pollMs: 50 })) {
    const open = await Node.countDocuments({ _id: { $in: node.after }, state: { $ne: 'FINISHED' } });
    say({ popped: node.name, fence: node.lease?.fence, open });
    await node.finish();
  }
}

void main();
