import { Schema, Types, type Connection } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { nativeOf, rawUpdate, stored, storedBytes } from '../support/raw';

const { ObjectId } = Schema.Types;

const orderSchema = () => new Schema({ status: String, lines: [{ _task: String, name: String }] });

const reference = (ref: string, more = {}) => ({
  type: ObjectId,
  ref,
  dependsOn: { type: 'DIRECT', when: { status: 'paid' }, ...more },
});

describe('the outbox', () => {
  const database = useDatabase();
  let made = 0;

  /** An order without a queue and a task that waits for it, in collections of their own, none of which was used yet. */
  const makeModels = (connection: Connection = database.connection, schema = orderSchema(), name = (made += 1)) => {
    const Order = connection.model(`Order ${name}`, schema);
    const Shipment = connection.model(`Shipment ${name}`, taskQueue(new Schema({ order: reference(`Order ${name}`) })));
    return { Order, Shipment };
  };
  type Models = ReturnType<typeof makeModels>;

  /** A shipment that waits for an order. */
  const parked = async ({ Order, Shipment }: Models) => {
    await Shipment.ensureTaskIndexes();
    const order = await Order.create({ status: 'new', lines: [{ _task: 'own', name: 'lamp' }] });
    const before = await storedBytes(Order, order._id);
    const shipment = await Shipment.push({ order: order._id });
    expect(await Shipment.pop()).toBeNull();
    expect(await marksOf(Order, order._id)).toHaveLength(1);
    return { order, shipment, before };
  };
  const marksOf = async (Order: Models['Order'], _id: unknown) =>
    Object.keys((await stored(Order, _id))['_task']?.armed ?? {});
  const pay = (Order: Models['Order'], _id: unknown) => rawUpdate(Order, _id, { $set: { status: 'paid' } });
  const outboxesOf = async (Model: Parameters<typeof nativeOf>[0]) =>
    (await nativeOf(Model).indexes()).filter(({ name }) => name!.startsWith('task_outbox_'));

  it('has its index as soon as the task indexes are there, although the collection is not of this library', async () => {
    const { Order, Shipment } = makeModels();

    await Shipment.ensureTaskIndexes();

    const [index, ...others] = await outboxesOf(Order);
    expect(others).toEqual([]);
    const mark = index!.name!.replace('task_outbox_', '');
    expect(index).toMatchObject({
      key: { status: 1, [`_task.armed.${mark}`]: 1 },
      partialFilterExpression: { [`_task.armed.${mark}`]: { $exists: true } },
    });
  });

  it('has its index where the process knows nothing of the fields', async () => {
    const { Order, Shipment } = makeModels(database.connection, new Schema({}, { strict: false }) as never);
    const { order, shipment } = await parked({ Order, Shipment });

    await pay(Order, order._id);

    expect(await outboxesOf(Order)).toHaveLength(1);
    expect((await Shipment.pop())?.id).toBe(shipment.id);
  });

  it.each([
    ['wait', 1],
    ['ignore', 2],
    ['fail', 3],
  ] as const)("has an index for each condition that is watched: onFailed: '%s' needs %i", async (onFailed, count) => {
    const name = `by ${onFailed}`;
    const Source = database.connection.model(`Source ${name}`, taskQueue(new Schema({ name: String })));
    const dependsOn = { type: 'DIRECT', onFailed };
    const Report = database.connection.model(
      `Report ${name}`,
      taskQueue(new Schema({ source: { type: ObjectId, ref: `Source ${name}`, dependsOn } })),
    );

    await Report.ensureTaskIndexes();

    expect(await outboxesOf(Source)).toHaveLength(count);
  });

  it('has one index for clauses that watch for the same', async () => {
    const name = 'of two clauses';
    const Order = database.connection.model(`Order ${name}`, orderSchema());
    const order = reference(`Order ${name}`);
    const Shipment = database.connection.model(
      `Shipment ${name}`,
      taskQueue(new Schema({ order, other: order, free: reference(`Order ${name}`, { when: { status: 'free' } }) })),
    );

    await Shipment.ensureTaskIndexes();

    expect(await outboxesOf(Order)).toHaveLength(2);
  });

  it.each([
    ['arrays', new Schema({ tags: [String], lines: [{ kind: String }], status: String })],
    ['what it likes', new Schema({}, { strict: false })],
  ])('keeps nobody from writing %s into several fields of a condition', async (_what, schema) => {
    const name = (made += 1);
    const when = { tags: 'x', 'lines.kind': 'y', status: 'paid' };
    const Order = database.connection.model(`Order ${name}`, schema as never) as Models['Order'];
    const Shipment = database.connection.model(
      `Shipment ${name}`,
      taskQueue(new Schema({ order: reference(`Order ${name}`, { when }) })),
    );
    const { order, shipment } = await parked({ Order, Shipment } as never);
    await rawUpdate(Order, order._id, {
      $set: { tags: ['w', 'x'], lines: [{ kind: 'w' }, { kind: 'z' }], status: 'paid' },
    });
    expect(await Shipment.pop()).toBeNull();

    await rawUpdate(Order, order._id, { $push: { lines: { kind: 'y' } } });

    expect((await Shipment.pop())?.id).toBe(shipment.id);
  });

  it('has all fields of a condition in its index that hold one value', async () => {
    const name = (made += 1);
    const schema = new Schema({ status: String, payment: { method: String }, at: new Schema({ place: String }) });
    const Order = database.connection.model(`Order ${name}`, schema as never) as Models['Order'];
    const when = { status: 'paid', 'payment.method': 'card', 'at.place': 'home' };
    const Shipment = database.connection.model(
      `Shipment ${name}`,
      taskQueue(new Schema({ order: reference(`Order ${name}`, { when }) })),
    );

    await Shipment.ensureTaskIndexes();

    const [index] = await outboxesOf(Order);
    expect(Object.keys(index!.key).slice(0, 3)).toEqual(['status', 'payment.method', 'at.place']);
  });

  it('is read by that index alone', async () => {
    const { Order, Shipment } = makeModels();
    await parked({ Order, Shipment });
    await Order.insertMany(Array.from({ length: 50 }, () => ({ status: 'paid' })));
    const [{ name, key }] = (await outboxesOf(Order)) as [{ name: string; key: Record<string, 1> }];

    const armed = Object.keys(key)[1]!;
    const { executionStats } = await nativeOf(Order)
      .find({ status: 'paid', [armed]: { $exists: true } })
      .hint(name)
      .explain('executionStats');

    expect(executionStats).toMatchObject({ totalKeysExamined: 0, totalDocsExamined: 0 });
  });

  it('has its index again after somebody dropped it', async () => {
    const { Order, Shipment } = makeModels();
    const { order, shipment } = await parked({ Order, Shipment });
    await nativeOf(Order).dropIndexes();
    await pay(Order, order._id);

    expect((await Shipment.pop())?.id).toBe(shipment.id);

    expect(await outboxesOf(Order)).toHaveLength(1);
  });

  it('has its index again after its collection was dropped', async () => {
    const { Order, Shipment } = makeModels();
    await parked({ Order, Shipment });
    await nativeOf(Order).drop();

    expect(await Shipment.pop()).toBeNull();

    const order = await Order.create({ status: 'new' });
    const shipment = await Shipment.push({ order: order._id });
    await pay(Order, order._id);
    expect((await Shipment.pop())?.id).toBe(shipment.id);
  });

  describe('keeps its index when indexes are synced', () => {
    it.each(['Order', 'Shipment'] as const)('of %s', async (synced) => {
      const { Order, Shipment } = makeModels();
      await parked({ Order, Shipment });
      const dropped = await { Order, Shipment }[synced].syncIndexes();

      expect(dropped).toEqual([]);
      expect(await outboxesOf(Order)).toHaveLength(1);
    });

    it('of the dependency, in a process that has both models but has popped nothing', async () => {
      const first = makeModels();
      await parked(first);
      const again = makeModels(await openConnection(database.uri), orderSchema(), made);

      expect(await again.Order.syncIndexes()).toEqual([]);

      expect(await outboxesOf(first.Order)).toHaveLength(1);
    });

    it('of the dependency, in a process in which it is defined after the tasks', async () => {
      const first = makeModels();
      await parked(first);
      const name = made;
      const later = await openConnection(database.uri);
      later.model(`Shipment ${name}`, taskQueue(new Schema({ order: reference(`Order ${name}`) })));
      const Order = later.model(`Order ${name}`, orderSchema());

      expect(await Order.syncIndexes()).toEqual([]);

      expect(await outboxesOf(first.Order)).toHaveLength(1);
    });

    it('of a base or a kind of the dependency', async () => {
      const { Order, Shipment } = makeModels();
      const Gift = Order.discriminator(`Gift ${made}`, new Schema({ wrapped: Boolean }));
      await parked({ Order, Shipment });

      expect([await Order.syncIndexes(), await Gift.syncIndexes()]).toEqual([[], []]);

      expect(await outboxesOf(Order)).toHaveLength(1);
    });
  });

  describe('leaves the documents it watches', () => {
    it('without a trace once nobody waits any more', async () => {
      const { Order, Shipment } = makeModels();
      const { order, before } = await parked({ Order, Shipment });
      await pay(Order, order._id);
      await Shipment.pop();

      await eventually(async () => expect(await stored(Order, order._id)).not.toHaveProperty('_task'));

      await rawUpdate(Order, order._id, { $set: { status: 'new' } });
      expect(await storedBytes(Order, order._id)).toBe(before);
    });

    it('with the marks of others until those are gone as well', async () => {
      const { Order, Shipment } = makeModels();
      const Other = database.connection.model(
        `Other ${made}`,
        taskQueue(new Schema({ order: reference(`Order ${made}`, { when: { status: 'sent' } }) })),
      );
      const { order } = await parked({ Order, Shipment });
      await Other.push({ order: order._id });
      await pay(Order, order._id);
      await Shipment.pop();
      await eventually(async () => expect(await marksOf(Order, order._id)).toHaveLength(1));

      await rawUpdate(Order, order._id, { $set: { status: 'sent' } });

      expect(await Other.pop()).not.toBeNull();
      await eventually(async () => expect(await stored(Order, order._id)).not.toHaveProperty('_task'));
    });

    it('with what else is in their `_task`', async () => {
      const { Order, Shipment } = makeModels();
      const { order } = await parked({ Order, Shipment });
      await rawUpdate(Order, order._id, { $set: { '_task.note': 'mine' } });
      await pay(Order, order._id);

      await Shipment.pop();

      await eventually(async () => expect((await stored(Order, order._id))['_task']).toEqual({ note: 'mine' }));
    });

    it('with a mark that a save of theirs does not touch', async () => {
      const { Order, Shipment } = makeModels();
      const { order, shipment } = await parked({ Order, Shipment });
      const loaded = (await Order.findById(order._id))!;
      loaded.lines.push({ _task: 'other', name: 'shade' });
      await loaded.save();
      expect(await marksOf(Order, order._id)).toHaveLength(1);

      await order.set('status', 'paid').save();

      expect((await Shipment.pop())?.id).toBe(shipment.id);
    });
  });

  describe('does not show in the documents it watches:', () => {
    const shown = async (schema: Schema, read: (order: InstanceType<Models['Order']>) => unknown, Kind?: string) => {
      const { Order, Shipment } = makeModels(database.connection, schema as never);
      if (Kind) Order.discriminator(`${Kind} ${made}`, new Schema({ wrapped: Boolean }));
      await Shipment.ensureTaskIndexes();
      const Made = Kind ? (database.connection.model(`${Kind} ${made}`) as typeof Order) : Order;
      const order = await Made.create({ status: 'new', lines: [{ _task: 'own', name: 'lamp' }] });
      await Shipment.push({ order: order._id });
      expect(await marksOf(Order, order._id)).toHaveLength(1);
      return read((await Order.findById(order._id))!);
    };
    const own = { lines: [{ _task: 'own', name: 'lamp' }], status: 'new' };

    it.each([
      ['toObject()', (order: InstanceType<Models['Order']>) => order.toObject()],
      ['toJSON()', (order: InstanceType<Models['Order']>) => order.toJSON()],
      ['JSON', (order: InstanceType<Models['Order']>) => JSON.parse(JSON.stringify(order)) as object],
    ])('by %s', async (_how, read) => {
      const found = await shown(orderSchema() as never, read);

      expect(found).not.toHaveProperty('_task');
      expect(found).toMatchObject(own);
    });

    it('by toJSON() of a kind', async () => {
      const found = await shown(orderSchema() as never, (order) => order.toJSON(), 'Gift');

      expect(found).toMatchObject(own);
      expect(found).not.toHaveProperty('_task');
    });

    it('with options and a transform of their own, which go on working', async () => {
      const seen: unknown[] = [];
      const schema = orderSchema();
      schema.virtual('title').get(() => 'An order');
      schema.set('toJSON', {
        virtuals: true,
        transform(_document: unknown, result: Record<string, unknown>) {
          seen.push(Object.keys(result));
          return { wrapped: result };
        },
      } as never);

      const found = await shown(schema as never, (order) => order.toJSON());

      expect(found).toMatchObject({ wrapped: { title: 'An order', status: 'new' } });
      expect(found).not.toHaveProperty('wrapped._task');
      expect(seen.at(-1)).not.toContain('_task');
    });
  });

  it('leaves a `_task` that the document has of its own alone, and shows it', async () => {
    const schema = new Schema({ status: String, _task: String });
    const { Order, Shipment } = makeModels(database.connection, schema as never);
    await Shipment.ensureTaskIndexes();
    const order = await Order.create({ status: 'new', _task: 'clean the house' } as never);
    const shipment = await Shipment.push({ order: order._id });
    expect((await Order.findById(order._id))!.toObject()).toMatchObject({ _task: 'clean the house' });

    await pay(Order, order._id);

    const popped = await eventually(async () => (await Shipment.pop()) ?? Promise.reject(new Error('not yet')));
    expect(popped.id).toBe(shipment.id);
  });

  it('compares like the judgement does in a collection that compares in its own way', async () => {
    const name = (made += 1);
    const collation = { locale: 'en', strength: 2 };
    await database.connection.createCollection(`orders ${name}`, { collation });
    const schema = orderSchema().set('collection', `orders ${name}`);
    const { Order, Shipment } = makeModels(database.connection, schema, name);
    const { order, shipment } = await parked({ Order, Shipment });
    await rawUpdate(Order, order._id, { $set: { status: 'PAID' } });
    const before = await stored(Order, order._id);
    for (let pops = 0; pops < 3; pops++) expect(await Shipment.pop()).toBeNull();
    // Neither woken nor parked again, each time anew.
    expect(await stored(Order, order._id)).toEqual(before);

    await pay(Order, order._id);

    expect((await Shipment.pop())?.id).toBe(shipment.id);
  });

  it('tells apart collections of one name in two databases', async () => {
    const elsewhere = database.connection.useDb(`${database.connection.name}_2`);
    const name = 'of two databases';
    database.connection.model(`Here ${name}`, orderSchema(), 'orders_here');
    elsewhere.model(`There ${name}`, orderSchema(), 'orders_here');
    const Here = database.connection.model(`Here ${name}`) as Models['Order'];
    const There = elsewhere.model(`There ${name}`) as Models['Order'];
    const Shipment = database.connection.model(
      `Shipment ${name}`,
      taskQueue(new Schema({ here: reference(`Here ${name}`), there: reference(`There ${name}`) })),
    );
    await Shipment.ensureTaskIndexes();

    for (const [path, Order] of [
      ['here', Here],
      ['there', There],
    ] as const) {
      const order = await Order.create({ status: 'new' });
      const shipment = await Shipment.push({ [path]: order._id as Types.ObjectId });
      expect(await Shipment.pop()).toBeNull();
      await pay(Order, order._id);
      expect((await Shipment.pop())?.id).toBe(shipment.id);
    }
    await elsewhere.dropDatabase();
  });
});
