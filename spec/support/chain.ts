import { createConnection, Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import type { AnyModel } from '../../lib/definition/definition';

/** Two models without a server, one of which waits for the other. */
export function makeChain(): { waiting: AnyModel; awaited: AnyModel } {
  const connection = createConnection();
  const client = { db: () => ({}) };
  connection.getClient = () => client as never;
  const awaited = connection.model('Source', taskQueue(new Schema({ path: String })));
  const waiting = connection.model(
    'Build',
    taskQueue(new Schema({ source: { type: Schema.Types.ObjectId, ref: 'Source', dependsOn: 'DIRECT' } })),
  );

  return { waiting: waiting as unknown as AnyModel, awaited: awaited as unknown as AnyModel };
}
