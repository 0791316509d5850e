import { Types, type mongo } from 'mongoose';
import { atConcurrency, type Contender } from './harness';
import { insertCopies, type Stored } from './tasks';

/** The queue that everybody writes first: no lease, no attempts, no fence, nothing to know who holds what. */
export const RAW_INDEX = { state: 1, priority: -1, createdAt: 1 } as const;

export async function claim(collection: mongo.Collection): Promise<Stored> {
  const claimed = await collection.findOneAndUpdate(
    { state: 'CREATED' },
    { $set: { state: 'RUNNING' } },
    { sort: { priority: -1, createdAt: 1 } },
  );
  if (!claimed) throw new Error('The plain queue is empty too early.');

  return claimed;
}

export async function finish(collection: mongo.Collection, _id: Types.ObjectId, result: object = {}): Promise<void> {
  const { matchedCount } = await collection.updateOne({ _id }, { $set: { state: 'FINISHED', ...result } });
  if (matchedCount !== 1) throw new Error('The plain queue lost a task.');
}

/** The plain queue with the same documents as ours, and what its callers do with it. */
export function rawQueue(
  collection: mongo.Collection,
  layout: Stored,
  callers: number,
  operation: (index: number) => Promise<unknown>,
): Contender {
  return {
    name: 'plain driver',
    async prepare(operations) {
      await collection.drop();
      await collection.createIndex(RAW_INDEX);
      await insertCopies(collection, layout, operations);
    },
    run: (operations) => atConcurrency(callers, operations, operation),
  };
}
