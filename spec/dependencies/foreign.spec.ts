import { Schema, type Connection } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { expectBetween } from '../support/between';
import { monitoredConnection } from '../support/commands';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { nativeOf, rawUpdate, stored } from '../support/raw';

const { ObjectId } = Schema.Types;

describe('a dependency of a collection', () => {
  const database = useDatabase();
  let made = 0;

  const orderSchema = () => new Schema({ status: String, kind: String });

  const makeShipment = (ref: string, connection: Connection = database.connection) => {
    const dependsOn = { type: 'DIRECT', when: { status: 'paid' } };
    const name = `Shipment ${(made += 1)}`;
    return connection.model(
      name,
      taskQueue(
        new Schema({
          order: { type: ObjectId, ref, dependsOn },
          orders: { type: [{ type: ObjectId, ref }], dependsOn: { ...dependsOn, type: 'ANY_OF' } },
        }),
      ),
    );
  };
  type Shipment = ReturnType<typeof makeShipment>;

  const popSoon = (Model: Shipment) =>
    eventually(async () => (await Model.pop()) ?? Promise.reject(new Error('nothing popped')));
  const pay = (Order: { collection: unknown }, _id: unknown) =>
    rawUpdate(Order as never, _id, { $set: { status: 'paid' } });

  describe('that cannot be written to, because it is a view,', () => {
    const makeView = async ({ connection }: { connection: Connection } = database) => {
      const name = (made += 1);
      const Order = connection.model(`Order ${name}`, orderSchema(), `orders_${name}`);
      await Order.createCollection();
      await connection.createCollection(`open_orders_${name}`, {
        viewOn: `orders_${name}`,
        pipeline: [{ $match: { kind: { $ne: 'archived' } } }],
      });
      const schema = orderSchema().set('autoIndex', false).set('autoCreate', false);
      connection.model(`OpenOrder ${name}`, schema, `open_orders_${name}`);
      return { Order, Shipment: makeShipment(`OpenOrder ${name}`, connection) };
    };

    it('is found done within seconds', async () => {
      const { Order, Shipment } = await makeView();
      const order = await Order.create({ status: 'new' });
      const shipment = await Shipment.push({ order: order._id });
      expect(await Shipment.pop()).toBeNull();

      await pay(Order, order._id);

      expect((await popSoon(Shipment)).id).toBe(shipment.id);
      expect(await stored(Order, order._id)).not.toHaveProperty('_task');
    });

    it('delays no other task, however many wait for it', async () => {
      const monitored = await monitoredConnection(database.uri);
      const { Order, Shipment } = await makeView(monitored);
      const orders = await Order.insertMany(Array.from({ length: 300 }, () => ({ status: 'new' })));
      await Shipment.ensureTaskIndexes();
      const waiting = orders.map(({ _id }) => ({ state: 'CREATED', priority: 3, order: _id }));
      await nativeOf(Shipment).insertMany(waiting);
      const free = await Shipment.push({});

      await eventually(async () => {
        monitored.forget();
        expect((await Shipment.pop())?.id).toBe(free.id);
      });
      expect(await Shipment.pop()).toBeNull();

      // A busy machine makes some more; without the rule each of the 300 has one.
      expect(monitored.all().length).toBeLessThan(100);
    });

    it('is looked at ever more rarely, up to every 30 seconds', async () => {
      const { Order, Shipment } = await makeView();
      const order = await Order.create({ status: 'new' });
      const shipment = await Shipment.push({ order: order._id });
      const past = (ms: number) => new Date(Date.now() - ms);
      const nextAfter = async (waitedMs: number) => {
        const old = { '_task.expiresFrom': past(waitedMs), '_task.recheckAt': past(1) };
        await rawUpdate(Shipment, shipment._id, { $set: old });
        const began = Date.now();
        return eventually(async () => {
          expect(await Shipment.pop()).toBeNull();
          const { recheckAt } = (await stored(Shipment, shipment._id))['_task'];
          expect(recheckAt.getTime()).toBeGreaterThan(began);
          return { recheckAt: recheckAt as Date, began, ended: Date.now() };
        });
      };

      for (const [waitedMs, expectedMs] of [
        [0, 1_000],
        [10_000, 10_000],
        [3_600_000, 30_000],
      ] as const) {
        const { recheckAt, began, ended } = await nextAfter(waitedMs);
        // It has waited longer by the time that the looks took.
        expectBetween(recheckAt, began + expectedMs * 0.8, ended + (expectedMs + ended - began) * 1.2);
      }
    });
  });

  describe('whose validator refuses the mark', () => {
    const refusing = {
      closed: { $jsonSchema: { properties: { _id: {}, __v: {}, status: {}, kind: {} }, additionalProperties: false } },
      partly: { $or: [{ _task: { $exists: false } }, { kind: 'lenient' }] },
    };
    const makeValidated = async (validator: object) => {
      const name = (made += 1);
      const Order = database.connection.model(`Order ${name}`, orderSchema(), `validated_${name}`);
      await Order.createCollection();
      await database.connection.db!.command({ collMod: `validated_${name}`, validator });
      return { Order, Shipment: makeShipment(`Order ${name}`) };
    };

    it('is found done within seconds', async () => {
      const { Order, Shipment } = await makeValidated(refusing.closed);
      const order = await Order.create({ status: 'new' });
      const shipment = await Shipment.push({ order: order._id });
      expect(await Shipment.pop()).toBeNull();

      await pay(Order, order._id);

      expect((await popSoon(Shipment)).id).toBe(shipment.id);
    });

    it('delays no other task', async () => {
      const { Order, Shipment } = await makeValidated(refusing.closed);
      const order = await Order.create({ status: 'new' });
      await nativeOf(Shipment).insertOne({ state: 'CREATED', priority: 3, order: order._id });
      const free = await Shipment.push({});

      expect((await popSoon(Shipment)).id).toBe(free.id);
    });

    it('does not keep the marks from other documents that allow them', async () => {
      const { Order, Shipment } = await makeValidated(refusing.partly);
      const kinds = ['strict', 'lenient', 'strict', 'lenient'];
      const orders = await Order.insertMany(kinds.map((kind) => ({ status: 'new', kind })));
      await Shipment.push(orders.map(({ _id }) => ({ order: _id })));

      const marked = await nativeOf(Order).distinct('kind', { '_task.armed': { $exists: true } });

      expect(marked).toEqual(['lenient']);
      expect(await nativeOf(Order).countDocuments({ '_task.armed': { $exists: true } })).toBe(2);
    });

    it('is woken by an alternative at once', async () => {
      const { Order, Shipment } = await makeValidated(refusing.partly);
      const orders = await Order.insertMany(['strict', 'lenient'].map((kind) => ({ status: 'new', kind })));
      const shipment = await Shipment.push({ orders: orders.map(({ _id }) => _id) });
      expect(await Shipment.pop()).toBeNull();

      await pay(Order, orders[1]!._id);

      expect((await popSoon(Shipment)).id).toBe(shipment.id);
    });
  });

  it('in another database is noticed at once', async () => {
    const elsewhere = database.connection.useDb(`${database.connection.name}_other`);
    const Order = elsewhere.model('OrderElsewhere', orderSchema());
    const Shipment = makeShipment('OrderElsewhere');
    const order = await Order.create({ status: 'new' });
    const shipment = await Shipment.push({ order: order._id });
    expect(await Shipment.pop()).toBeNull();

    await pay(Order, order._id);

    expect((await popSoon(Shipment)).id).toBe(shipment.id);
    await elsewhere.dropDatabase();
  });

  it('on another connection, defined after the tasks, is noticed at once', async () => {
    const Shipment = makeShipment('OrderFarAway');
    const Order = (await openConnection(database.uri)).model('OrderFarAway', orderSchema());
    const order = await Order.create({ status: 'new' });
    const shipment = await Shipment.push({ order: order._id });
    expect(await Shipment.pop()).toBeNull();

    await pay(Order, order._id);

    expect((await popSoon(Shipment)).id).toBe(shipment.id);
  });
});
