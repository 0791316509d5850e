import { createConnection, Schema, type Connection } from 'mongoose';
import { State, taskQueue } from 'mongoose-task-queue';
import { type Mongod, startMongod } from './support/mongod';
import { endLease, nativeOf, rawUpdate } from './support/raw';

describe('a server with notablescan', () => {
  let server: Mongod;
  let connection: Connection;
  const { ObjectId } = Schema.Types;

  beforeAll(async () => {
    server = await startMongod({ parameters: { notablescan: 1 } });
    connection = await createConnection(server.uri, { dbName: 'notablescan' }).asPromise();
  });
  afterAll(async () => {
    await connection.destroy();
    await server.stop();
  });

  const makeModels = (name: string) => {
    const Order = connection.model(`Order${name}`, new Schema({ status: String, tags: [String] }));
    const Part = connection.model(
      `Part${name}`,
      taskQueue(new Schema({ n: Number }), { category: true, maxAttempts: 2, recheckMs: 1 }),
    );
    const schema = new Schema({
      parts: [{ type: ObjectId, ref: `Part${name}` }],
      any: [{ type: ObjectId, ref: `Part${name}` }],
      order: { type: ObjectId, ref: `Order${name}` },
    });
    const Whole = connection.model(
      `Whole${name}`,
      taskQueue(schema, {
        recheckMs: 1,
        dependencies: {
          parts: { type: 'ALL_OF', onFailed: 'fail' },
          any: { type: 'ANY_OF', onMissing: 'fail' },
          order: { type: 'DIRECT', when: { status: 'paid', tags: 'x' } },
        },
      }),
    );
    return { Order, Part, Whole };
  };

  it('serves a queue', async () => {
    const { Part } = makeModels('A');
    await Part.push([
      { n: 1, category: 'a' },
      { n: 2, category: 'b' },
      { n: 3, category: 'a' },
    ]);
    await Part.push({ n: 4 }, { key: 'four' });
    await Part.push({ n: 4 }, { key: 'four' });
    await Part.push({ n: 5 }, { key: 'five', every: 60_000, delayMs: 60_000 });
    expect(await Part.isEmpty({ category: 'a' })).toBe(false);
    const first = (await Part.pop({ category: 'a' }))!;
    await first.progress(1);
    await endLease(Part, first._id);
    const [second, third] = await Part.popMany(2, { category: ['a', 'b'] });
    await expect(first.finish()).rejects.toThrow('taken over');
    await second!.retry({ delayMs: 0 });
    third!.set('n', 7);
    await third!.fail(new Error('no'));
    await third!.push();
    const rest = await Part.popMany(10);
    expect(rest.map(({ n }) => n).sort()).toEqual([3, 4, 7]);
    await Promise.all(rest.map((task) => task.finish()));
    await Part.ensureTaskIndexes();

    expect(await Part.isEmpty()).toBe(true);
  });

  it('serves tasks that wait for others', async () => {
    const { Order, Part, Whole } = makeModels('B');
    const [one, two] = await Part.push([{ n: 1 }, { n: 2 }]);
    const order = await Order.create({ status: 'new', tags: ['w'] });
    const whole = await Whole.push({ parts: [one!._id, two!._id], order: order._id });
    await Whole.push({ any: [one!._id, two!._id] });
    expect(await Whole.pop()).toBeNull();
    expect(await whole.blockedBy()).toHaveLength(2);
    expect(await Whole.blocked()).toHaveLength(2);
    await (await Part.pop())!.finish();
    expect((await Whole.pop())?.any).toHaveLength(2);
    await (await Part.pop())!.fail(new Error('no'));
    expect(await Whole.pop()).toBeNull();
    expect(await nativeOf(Whole).findOne({ _id: whole._id })).toMatchObject({ state: State.FAILED });
    await rawUpdate(Part, two!._id, { $set: { state: 'FINISHED' } });
    await rawUpdate(Order, order._id, { $set: { status: 'paid', tags: ['w', 'x'] } });

    expect((await Whole.pop())?.id).toBe(whole.id);
  });

  it('answers what operators ask', async () => {
    const { Part } = makeModels('C');
    await Part.push({ n: 1 });
    await (await Part.pop())!.fail();
    await Part.pause();

    expect(await Part.stats()).toMatchObject({ failed: 1, paused: true });
    expect(await Part.paused()).toHaveLength(1);
    expect(await Part.history({ minutes: 1 })).toHaveLength(1);
    expect(await Part.workers()).toEqual([]);
  });
});
