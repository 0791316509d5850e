import { mongo, Schema, Types, type Connection } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import type { AnyModel } from '../../lib/definition/definition';
import { onArrival } from '../../lib/notify/arrivals';
import { SIGNALS } from '../../lib/notify/signal';
import { watchChanges } from '../../lib/notify/watch';
import { RENEW_MS, SELF } from '../../lib/side/listeners';
import { startProgram } from '../support/child';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';

jest.mock('../../lib/timers', () => jest.requireActual<object>('../support/fakeable-timers'));

const LINGER_MS = 10_000;
const OTHERS = [new Types.ObjectId(), new Types.ObjectId(), new Types.ObjectId()];

describe('on a server without change streams an idle consumer', () => {
  const database = useDatabase();
  const stops: (() => void)[] = [];
  let connection: Connection;
  let Order: ReturnType<typeof makeOrder>;

  const makeOrder = (one: Connection, name = 'Order') => one.model(name, taskQueue(new Schema({})));
  const asModel = (model: unknown) => model as AnyModel;
  const signals = () => database.connection.collection(SIGNALS);
  const side = ({ collection }: { collection: { name: string } }) =>
    database.connection.collection<{ _id: string; listeners?: unknown }>(`${collection.name}.queue`);
  const listeners = async (model = Order): Promise<unknown> =>
    (await side(model).findOne({ _id: 'listeners' }))?.listeners;

  // Each test has a client of its own, and so no tail of the test before.
  beforeEach(async () => {
    connection = await openConnection(database.uri);
    Order = makeOrder(connection);
    await Order.ensureTaskIndexes();
  });
  afterEach(async () => {
    for (const stop of stops.splice(0)) stop();
    jest.restoreAllMocks();
    await connection.destroy();
    await database.connection.dropDatabase();
  });

  async function watch(...models: unknown[]): Promise<void> {
    stops.push(await watchChanges(models.map((model) => ({ model: asModel(model), isAwaited: false }))));
  }

  /** Resolves when signals come in, and others are told to send some. */
  async function watching(...models: (typeof Order)[]): Promise<void> {
    await watch(...models);
    for (const model of models)
      await eventually(async () =>
        expect(await listeners(model)).toContainEqual(expect.objectContaining({ id: SELF })),
      );
  }

  function listen(model: unknown): () => number {
    let heard = 0;
    stops.push(onArrival(asModel(model), () => heard++));
    return () => heard;
  }

  const send = (...of: unknown[]) => signals().insertOne({ of, by: OTHERS[0] });
  const lasting = (ms = 60_000) => ({ $add: ['$$NOW', ms] });
  const noteAs = (all: { id: Types.ObjectId; until: object }[], model = Order) =>
    side(model).updateOne({ _id: 'listeners' }, [{ $set: { listeners: all } }], { upsert: true });

  it('hears of the push of another process', async () => {
    await watching(Order);
    const heard = listen(Order);

    const other = startProgram('pusher', { uri: database.uri });
    try {
      await other.line((message) => 'pushed' in message);
      await eventually(() => expect(heard()).toBe(1));
    } finally {
      other.kill('SIGKILL');
    }
  });

  it('hears of all collections that a signal names, and of no other, whatever else is in it', async () => {
    const [Letter, Parcel] = [makeOrder(connection, 'Letter'), makeOrder(connection, 'Parcel')];
    await watching(Order);
    const heard = [Order, Letter, Parcel].map(listen);

    await signals().insertMany([{ of: 5 }, { of: [1, null, 'no such'] }, { by: 'nobody' }, {}]);
    await send(Order.collection.name, Parcel.collection.name);

    await eventually(() => expect(heard.map((count) => count())).toEqual([1, 0, 1]));
  });

  it('is not told by a signal what its own process has told it', async () => {
    await watching(Order);
    const heard = listen(Order);

    await signals().insertOne({ of: [Order.collection.name], by: SELF });
    await send(Order.collection.name);

    await eventually(() => expect(heard()).toBe(1));
  });

  it('hears signals on where a collection of their name is not capped: it is made so', async () => {
    await signals().insertOne({ of: [] });

    await watching(Order);

    const heard = listen(Order);
    await send(Order.collection.name);
    await eventually(() => expect(heard()).toBe(1));
    expect(await signals().options()).toMatchObject({ capped: true });
  });

  it('does without them where it may not make the collection, and tells nobody to send any', async () => {
    const refusal = Object.assign(new mongo.MongoServerError({ message: 'not authorized' }), { code: 13 });
    const creating = jest.spyOn(mongo.Db.prototype, 'createCollection').mockRejectedValue(refusal);

    await watch(Order);
    await eventually(() => expect(creating).toHaveBeenCalled());
    await creating.mock.results[0]!.value.catch(() => {});

    expect(await listeners()).toBeUndefined();
  });

  it('is one of 20 in a process that wait by one cursor', async () => {
    const finding = jest.spyOn(mongo.Collection.prototype, 'find');

    await Promise.all(Array.from({ length: 20 }, () => watch(Order)));
    await watching(Order);

    const tails = finding.mock.calls.filter(([, options]) => options?.tailable);
    expect(tails).toHaveLength(1);
  });

  it('opens the cursor again only after a while where the server ends it at once', async () => {
    const find = mongo.Collection.prototype.find;
    const finding = jest.spyOn(mongo.Collection.prototype, 'find').mockImplementation(function (
      this: mongo.Collection,
      filter = {},
    ) {
      return find.call(this, filter) as never;
    });
    const tails = () => finding.mock.calls.filter(([, options]) => options?.tailable).length;

    await watch(Order);
    await eventually(async () => expect(await signals().countDocuments()).toBeGreaterThan(0));
    // As many round trips as a hundred tails would take.
    for (let trip = 0; trip < 400; trip++) await database.connection.db!.command({ ping: 1 });

    expect(tails()).toBeLessThan(10);
  });

  it('does without it where its pool has few connections', async () => {
    const small = await openConnection(database.uri, { maxPoolSize: 4 });
    const finding = jest.spyOn(mongo.Collection.prototype, 'find');
    const Small = makeOrder(small);
    await Small.isEmpty();

    await watch(Small);
    await Small.isEmpty();

    expect(finding.mock.calls.filter(([, options]) => options?.tailable)).toEqual([]);
    await small.destroy();
  });

  it('closes the cursor a while after the last one went back to work', async () => {
    const passed = recordTimers(LINGER_MS);
    const finding = jest.spyOn(mongo.Collection.prototype, 'find');
    await watching(Order);
    const tail = finding.mock.calls.findIndex(([, options]) => options?.tailable);
    const cursor = finding.mock.results[tail]!.value as mongo.FindCursor;

    stops.pop()!();
    expect(cursor.closed).toBe(false);
    passed.ring();

    await eventually(() => expect(cursor.closed).toBe(true));
  });

  describe('says so', () => {
    it('for each queue that it watches, and for nothing that is no queue', async () => {
      const Plain = connection.model('Plain', new Schema({}));
      const Letter = makeOrder(connection, 'Letter');

      await watch(Plain);
      await watching(Order, Letter);

      expect(await side(Plain).countDocuments()).toBe(0);
    });

    it('not where two others say so for a while: each process knows of one that is not itself', async () => {
      await noteAs(OTHERS.slice(0, 2).map((id) => ({ id, until: lasting() })));
      await watch(Order);
      await opened();
      await watching(makeOrder(connection, 'Letter'));

      expect(await listeners()).toMatchObject([{ id: OTHERS[0] }, { id: OTHERS[1] }]);
    });

    it('in the place of one that has not said so again', async () => {
      const [gone, lives] = OTHERS as [Types.ObjectId, Types.ObjectId];
      await noteAs([
        { id: gone, until: lasting(-1) },
        { id: lives, until: lasting() },
      ]);

      await watching(Order);

      expect(await listeners()).toMatchObject([{ id: SELF }, { id: lives }]);
    });

    it('again and again while it waits', async () => {
      const ticks = recordIntervals(RENEW_MS);
      const now = jest.spyOn(performance, 'now');
      await watching(Order);
      const before = await listeners();

      const later = performance.now() + RENEW_MS;
      now.mockReturnValue(later);
      ticks.ring();

      await eventually(async () => expect(await listeners()).not.toEqual(before));
    });

    /** Resolves when the tail delivers. */
    async function opened(): Promise<void> {
      const heard = listen(Order);
      await send(Order.collection.name);
      await eventually(() => expect(heard()).toBe(1));
    }
  });

  describe('is told by a process that', () => {
    const sent = async () =>
      (await signals().find({ by: SELF }).toArray()).map(({ of }) => of as unknown).filter((of) => of !== undefined);
    const asked = (finding: jest.SpyInstance) =>
      finding.mock.calls.filter(([filter]) => (filter as { _id?: unknown } | undefined)?._id === 'listeners').length;

    it('has something for it already by its first push', async () => {
      await noteAs([{ id: OTHERS[0]!, until: lasting() }]);

      await Order.push({});

      await eventually(async () => expect(await sent()).toEqual([[Order.collection.name]]));
    });

    it('has put something back, or ended what others wait for', async () => {
      await Order.push([{}, {}]);
      const [one, other] = await Order.popMany(2);
      await noteAs([{ id: OTHERS[0]!, until: lasting() }]);
      jest.spyOn(performance, 'now').mockReturnValue(performance.now() + 60_000);

      await one!.release();
      await eventually(async () => expect(await sent()).toHaveLength(1));
      jest.spyOn(performance, 'now').mockReturnValue(performance.now() + 60_000);
      await other!.finish();

      await eventually(async () => expect(await sent()).toHaveLength(2));
    });

    it.each<[string, () => { id: Types.ObjectId; until: object }[]]>([
      ['nobody', () => []],
      ['itself', () => [{ id: SELF, until: lasting() }]],
      ['one that has not said so again', () => [{ id: OTHERS[0]!, until: lasting(-1) }]],
    ])('hears of %s, by nothing', async (_, all) => {
      await noteAs(all());
      const finding = jest.spyOn(mongo.Collection.prototype, 'findOne');

      await Order.push({});
      await eventually(() => expect(asked(finding)).toBe(1));
      await Promise.all(finding.mock.results.map(({ value }) => value as Promise<unknown>));
      await new Promise(setImmediate);

      expect(await sent()).toEqual([]);
    });

    it('pushes a hundred at a time, by two signals', async () => {
      await noteAs([{ id: OTHERS[0]!, until: lasting() }]);
      const frozen = performance.now();
      jest.spyOn(performance, 'now').mockReturnValue(frozen);
      const paces = recordTimers(5);

      await Order.push({});
      await eventually(async () => expect(await sent()).toHaveLength(1));
      for (let push = 0; push < 100; push++) await Order.push({});
      expect(paces.count()).toBe(1);
      paces.ring();

      await eventually(async () => expect(await sent()).toHaveLength(2));
    });

    it('asks who listens once in two seconds, while it pushes', async () => {
      const clock = jest.spyOn(performance, 'now').mockReturnValue(performance.now());
      const finding = jest.spyOn(mongo.Collection.prototype, 'findOne');
      const pushThree = async () => {
        for (let push = 0; push < 3; push++) await Order.push({});
      };

      await pushThree();
      expect(asked(finding)).toBe(1);
      await Promise.all(finding.mock.results.map(({ value }) => value as Promise<unknown>));
      await pushThree();
      expect(asked(finding)).toBe(1);

      clock.mockReturnValue(performance.now() + 2_001);
      await pushThree();
      expect(asked(finding)).toBe(2);
    });

    it('may not ask, by nothing, and is not asked to again', async () => {
      const refusal = Object.assign(new Error('not authorized'), { code: 13 });
      const finding = jest.spyOn(mongo.Collection.prototype, 'findOne').mockRejectedValue(refusal);

      await Order.push({});
      await eventually(() => expect(asked(finding)).toBe(1));
      await new Promise(setImmediate);
      jest.spyOn(performance, 'now').mockReturnValue(performance.now() + 60_000);
      await Order.push({});

      expect(asked(finding)).toBe(1);
    });
  });

  /** Keeps the timers of that length from running by themselves. */
  function recordTimers(lengthMs: number) {
    return recordBy('setTimeout', lengthMs);
  }

  function recordIntervals(lengthMs: number) {
    return recordBy('setInterval', lengthMs);
  }

  function recordBy(name: 'setTimeout' | 'setInterval', lengthMs: number) {
    const original = globalThis[name];
    const listeners: (() => void)[] = [];
    jest.spyOn(globalThis, name).mockImplementation(((listener: () => void, ms?: number) => {
      if (ms !== lengthMs) return original(listener, ms);
      listeners.push(listener);
      return original(() => {}, 2 ** 31 - 1).unref();
    }) as never);

    return { count: () => listeners.length, ring: () => listeners.splice(0).forEach((listener) => listener()) };
  }
});

describe('on a replica set', () => {
  const database = useDatabase('replicaSet');

  it('nobody is told by signals, and nobody asks who listens', async () => {
    const Order = database.connection.model('Order', taskQueue(new Schema({})));
    const asking = jest.spyOn(mongo.Collection.prototype, 'findOne');

    await Order.push({});
    await (await Order.pop())!.finish();

    const ofListeners = asking.mock.calls.filter(([filter]) => filter?.['_id'] === ('listeners' as never));
    expect(ofListeners).toEqual([]);
    asking.mockRestore();
  });
});
