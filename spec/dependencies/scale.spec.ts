import { Schema, Types } from 'mongoose';
import { taskQueue, type DependencyPolicy } from '../../lib';
import { NEVER } from '../../lib/dependencies/park';
import { useDatabase } from '../support/database';

const MANY = 100_000;
/** A pop takes some tens of milliseconds here; a busy machine is given room. */
const SOON_MS = 1_000;

describe('pop beside 100 000 tasks', () => {
  const database = useDatabase();

  it.each(['wait', 'fail', 'ignore'] as const)(
    'returns soon when what they wait for has failed: %s',
    async (onFailed) => {
      const { Parent, Child } = models(`${onFailed}`, onFailed);
      const parent = await Parent.push({ number: 0 });
      // One through the door, so that the mark is set and the form of a parked task is known.
      const parked = await Child.push({ number: 0, parent: parent._id });
      await insertCopies(Child, parked._id, { '_task.availableAt': NEVER });
      await Child.pop();

      await parent.fail('of no use');
      const slowest = await slowestOf(20, () => Child.pop());

      expect(slowest).toBeLessThan(SOON_MS);
    },
    60_000,
  );

  it('returns soon when all of their re-checks are due at once', async () => {
    const { Parent, Child } = models('recheck', 'wait');
    const parent = await Parent.push({ number: 0 });
    const parked = await Child.push({ number: 0, parent: parent._id });
    await insertCopies(Child, parked._id, { '_task.recheckAt': new Date(0) });
    const ready = await Child.push({ number: 1 });
    await Child.collection.updateOne({ _id: parked._id }, { $set: { '_task.recheckAt': new Date(0) } });

    const slowest = await slowestOf(1, async () => expect((await Child.pop())?._id).toEqual(ready._id));

    expect(slowest).toBeLessThan(SOON_MS);
    expect(await slowestOf(20, () => Child.pop())).toBeLessThan(SOON_MS);
  }, 60_000);

  it('finds the one that is ready behind those that were put into the queue by hand and must wait', async () => {
    const { Parent, Child } = models('raw', 'wait');
    const parent = await Parent.push({ number: 0 });
    await Child.ensureTaskIndexes();
    const rows = Array.from({ length: 10_000 }, (_, number) => ({
      number,
      parent: parent._id,
      state: 'CREATED',
      priority: 2,
    }));
    await Child.collection.insertMany(rows);
    const ready = await Child.push({ number: 1, priority: 1 });

    const task = await Child.pop();

    expect(task?._id).toEqual(ready._id);
    await expect(Child.countDocuments({ '_task.waitingOn': parent._id })).resolves.toBe(10_000);
  }, 60_000);

  const models = (name: string, onFailed: DependencyPolicy) => {
    const { connection } = database;
    const Parent = connection.model(`Parent_${name}`, taskQueue(new Schema({ number: Number })));
    const schema = new Schema({ number: Number, parent: { type: Schema.Types.ObjectId, ref: `Parent_${name}` } });
    const Child = connection.model(
      `Child_${name}`,
      taskQueue(schema, { dependencies: { parent: { type: 'DIRECT', onFailed } } }),
    );
    return { Parent, Child };
  };

  // By the server itself: pushing them is not what is looked at here.
  const insertCopies = async (
    Child: ReturnType<typeof models>['Child'],
    id: Types.ObjectId,
    fields: Record<string, unknown>,
  ) => {
    await Child.ensureTaskIndexes();
    const copy = (await Child.collection.findOne({ _id: id }))!;
    for (let start = 0; start < MANY; start += 10_000) {
      await Child.collection.insertMany(Array.from({ length: 10_000 }, () => ({ ...copy, _id: new Types.ObjectId() })));
    }
    await Child.collection.updateMany({}, { $set: fields });
  };
});

async function slowestOf(times: number, call: () => Promise<unknown>): Promise<number> {
  let slowest = 0;
  for (let count = 0; count < times; count++) {
    const start = performance.now();
    await call();
    slowest = Math.max(slowest, performance.now() - start);
  }

  return slowest;
}
