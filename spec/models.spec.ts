import { randomUUID } from 'node:crypto';
import { createConnection, mongo, Schema, Types, type Document } from 'mongoose';
import { finish, pop, push, State, taskQueue, type TaskQueueOptions } from 'mongoose-task-queue';
import { openConnection } from './support/connections';
import { monitoredConnection } from './support/commands';
import { useDatabase } from './support/database';
import { isMongoose8 } from './support/on-mongoose9';
import { nativeOf, stored } from './support/raw';
import { seen } from './support/seen';
import { without } from './support/without';

/** What users do with their schemas, and the queue goes along with. */
describe('a model', () => {
  const database = useDatabase();
  let count = 0;
  const name = () => `Model${count++}`;
  const modelOf = (schema: Schema, options: TaskQueueOptions = {}) => {
    taskQueue(schema, options);
    return database.connection.model(name(), schema as ReturnType<typeof taskQueue<typeof schema>>);
  };

  describe('with ids of its own', () => {
    const uuid = () => new mongo.UUID(randomUUID());
    const ofUuids: [string, Schema, () => unknown] = [
      'UUIDs',
      new Schema({ _id: Schema.Types.UUID, size: Number }),
      uuid,
    ];
    it.each<[string, Schema, () => unknown]>([
      ['texts', new Schema({ _id: String, size: Number }), () => `task ${Math.random()}`],
      ['numbers', new Schema({ _id: Number, size: Number }), () => Math.floor(Math.random() * 1e9)],
      // Refused beside Mongoose 8.
      ...(isMongoose8 ? [] : [ofUuids]),
      ['bytes', new Schema({ _id: Buffer, size: Number }), () => Buffer.from(randomUUID())],
      [
        'sub-documents',
        new Schema({ _id: new Schema({ a: String, b: Number }, { _id: false }), size: Number }),
        () => ({ a: randomUUID(), b: 1 }),
      ],
      ['anything', new Schema({ _id: Schema.Types.Mixed, size: Number }), () => ({ x: randomUUID() })],
      ['dates', new Schema({ _id: Date, size: Number }), () => new Date(Math.floor(Math.random() * 1e12))],
    ])('(%s) pushes, pops, saves and settles', async (_kind, schema, makeId) => {
      const Task = database.connection.model(name(), taskQueue(schema));
      await Task.push({ _id: makeId(), size: 1 } as never);
      await Task.push([
        { _id: makeId(), size: 2 },
        { _id: makeId(), size: 3 },
      ] as never[]);

      const [first, second] = await Task.popMany(2);
      first!.set('size', 10);
      await first!.save();
      await first!.finish();
      await second!.finish();
      const third = (await Task.pop())!;
      await third.renew();
      await third.retry({ delayMs: 0, error: 'again' });
      await (await Task.pop())!.fail();
      await third.push();

      const states = (await nativeOf(Task).find().toArray()).map(({ state }) => state as string);
      expect(states.sort()).toEqual(['CREATED', 'FINISHED', 'FINISHED']);
      expect(await stored(Task, first!._id)).toMatchObject({ size: 10, state: 'FINISHED' });
      expect(await stored(Task, third._id)).toMatchObject({ state: 'CREATED' });
    });

    it('refuses a task without one', async () => {
      const Task = modelOf(new Schema({ _id: String, size: Number }) as Schema);

      await expect(Task.push({ size: 1 })).rejects.toThrow('_id');
      await expect(Task.push([{ size: 1 }, { size: 2 }])).rejects.toThrow('_id');
      expect(await Task.countDocuments()).toBe(0);
    });
  });

  describe('on several connections', () => {
    it('has one queue for each database', async () => {
      const schema = () => taskQueue(new Schema({ name: String }));
      const { connection } = database;
      const other = connection.useDb(`${connection.name}_other`);
      const Here = connection.model('Place', schema());
      const There = other.model('Place', schema());

      await Here.push({ name: 'here' });
      await There.push({ name: 'there' });

      expect((await There.popMany(5)).map(({ name }) => name)).toEqual(['there']);
      expect((await Here.popMany(5)).map(({ name }) => name)).toEqual(['here']);
      await other.dropDatabase();
    });

    it('may share one schema', async () => {
      const schema = taskQueue(new Schema({ name: String }));
      const other = await openConnection(database.uri);
      const One = database.connection.model('Shared', schema);
      const Two = other.model('Shared', schema);

      await One.push({ name: 'x' });

      expect((await Two.pop())?.name).toBe('x');
    });

    it('may be used before its connection is open', async () => {
      const connection = createConnection();
      const Early = connection.model('Early', taskQueue(new Schema({ name: String })));
      const pushed = Early.push({ name: 'x' });

      await connection.openUri(database.uri);

      await pushed;
      expect((await Early.pop())?.name).toBe('x');
      await connection.destroy();
    });
  });

  describe('whose schema', () => {
    it('has the plugin twice with the same options works', async () => {
      const schema = taskQueue(new Schema({ name: String }), { leaseMs: 1_000, category: true });
      const Task = database.connection.model('Twice', taskQueue(schema, { leaseMs: 1_000, category: true }));

      await Task.push({ name: 'x' });

      expect((await Task.pop())?.name).toBe('x');
    });

    it('has the plugin twice with different options is refused', () => {
      const schema = taskQueue(new Schema({ name: String }), { leaseMs: 1_000 });

      expect(() => taskQueue(schema, { leaseMs: 2_000 })).toThrow('with different options');
      expect(() => schema.plugin(taskQueue as never, { leaseMs: 3_000 } as never)).toThrow('with different options');
    });

    it('was cloned works, as does the one it was cloned from', async () => {
      const schema = taskQueue(new Schema({ name: String }), { category: true, fields: { state: 'taskState' } });
      const Clone = database.connection.model('Clone', schema.clone() as typeof schema);
      const Origin = database.connection.model('Origin', schema);

      for (const Task of [Clone, Origin]) {
        const task = await Task.push({ name: 'x', category: 'a' });
        await (await Task.pop({ category: 'a' }))!.finish();
        expect(await stored(Task, task._id)).toMatchObject({ name: 'x', taskState: 'FINISHED' });
      }
    });

    it('was added to another works', async () => {
      const schema = new Schema({ name: String });
      schema.add(taskQueue(new Schema({ size: Number })));
      const Sum = database.connection.model('Sum', taskQueue(schema as Schema<{ name?: string; size?: number }>));

      await Sum.push({ name: 'x', size: 1 });

      expect(seen(await Sum.pop())).toMatchObject({ name: 'x', size: 1, state: State.RUNNING });
    });

    it.each(['throw', true, false] as const)('is strict: %p works', async (strict) => {
      const Task = modelOf(new Schema({ name: String }, { strict }) as Schema);
      await Task.push({ name: 'a' });
      await Task.push([{ name: 'b' }, { name: 'c' }]);

      const [a, b] = await Task.popMany(2);
      a!.set('name', 'changed');
      await a!.finish();
      await b!.retry({ delayMs: 0, error: new Error('again') });
      await a!.push();

      expect(seen(await Task.findOne({ name: 'changed' }))).toMatchObject({ state: State.CREATED });
      expect(JSON.stringify(await Task.find())).not.toContain('_task');
      const names = (await Task.popMany(5)).map((task) => task.get('name') as string);
      expect(names.sort()).toEqual(['b', 'c', 'changed']);
    });

    it('is strict: false keeps what the schema does not know', async () => {
      const Task = modelOf(new Schema({ name: String }, { strict: false }) as Schema);
      await Task.push({ name: 'a', more: { x: 1 } } as never);

      const task = (await Task.pop())!;
      task.set('other', 2);
      await task.finish();

      expect(await stored(Task, task._id)).toMatchObject({ more: { x: 1 }, other: 2, state: 'FINISHED' });
    });

    it.each([true, false])('has minimize: %p stores what Mongoose would store', async (minimize) => {
      const fields = { name: 'x', empty: {}, nested: { deep: {} } };
      const schema = () =>
        new Schema({ name: String, empty: {}, nested: { deep: {} } }, { minimize, versionKey: false }) as Schema;
      const Plain = database.connection.model(`Plain${String(minimize)}`, schema());
      const Task = modelOf(schema());

      const { _id } = await new Plain(fields).save();
      const single = await Task.push(fields);
      const [bulk] = await Task.push([fields, fields]);

      const expected = without(await stored(Plain, _id), '_id');
      for (const task of [single, bulk!]) {
        const ours = ['_id', '_task', 'state', 'priority', 'createdAt'];
        expect(without(await stored(Task, task._id), ...ours)).toEqual(expected);
      }
    });

    it.each([false, 'version'])('has versionKey: %p works', async (versionKey) => {
      const Task = modelOf(
        new Schema({ name: String, tags: [String] }, { versionKey: versionKey as string }) as Schema,
      );
      await Task.push({ name: 'a', tags: ['x'] });
      await Task.push([{ name: 'b' }, { name: 'c' }]);

      for (const task of await Task.popMany(3)) {
        task.set('tags', ['y']);
        await task.finish();
      }

      for (const raw of await nativeOf(Task).find().toArray()) {
        expect(raw).not.toHaveProperty('__v');
        expect(raw).toMatchObject({ tags: ['y'], state: 'FINISHED', ...(versionKey && { version: 1 }) });
      }
    });

    it('has another `typeKey` is a queue like any other', async () => {
      const { connection } = database;
      const place = { type: { $type: String }, floor: { $type: Number } };
      const schema = new Schema({ place } as never, { typeKey: '$type' });
      const Task = connection.model('OfPlaces', taskQueue(schema as never as Schema, { category: true }));
      const { _id } = await Task.push({ place: { type: 'house', floor: 3 }, category: 'a', priority: 3 } as never);

      await (await Task.pop({ category: 'a' }))!.finish();

      const expected = { place: { type: 'house', floor: 3 }, category: 'a', priority: 3, state: 'FINISHED' };
      expect(await stored(Task, _id)).toMatchObject({ ...expected, createdAt: expect.any(Date) as Date });
    });

    it('hides a path keeps it hidden from who pops, and keeps it', async () => {
      const schema = new Schema({
        name: String,
        secret: { type: String, select: false },
        deep: { open: String, secret: { type: String, select: false } },
      });
      const Task = modelOf(schema as Schema);
      const fields = { name: 'x', secret: 's', deep: { open: 'o', secret: 't' } };
      await Task.push([fields, fields, fields]);

      const single = (await Task.pop())!;
      const many = await Task.popMany(2);

      for (const task of [single, ...many]) {
        expect(task.get('secret')).toBeUndefined();
        expect(task.get('deep')).toEqual({ open: 'o' });
        task.set('name', 'changed');
        await task.save();
        await task.finish();
        expect(await stored(Task, task._id)).toMatchObject({ ...fields, name: 'changed', state: 'FINISHED' });
      }
    });

    it('hides paths of sub-documents keeps them hidden from who pops, and keeps them', async () => {
      const hidden = { type: String, select: false };
      const login = new Schema({ name: String, password: hidden }, { _id: false });
      const folder = new Schema({ name: String, pin: hidden }, { _id: false });
      folder.add({ folders: [folder] });
      const schema = new Schema({
        owner: login,
        members: [login],
        tags: [hidden],
        whole: { type: login, select: false },
        nested: { login },
        folder,
      });
      const Task = modelOf(schema as unknown as Schema);
      const one = { name: 'a', password: 'secret' };
      const fields = {
        owner: one,
        members: [one, one],
        tags: ['secret'],
        whole: one,
        nested: { login: one },
        folder: { name: 'a', pin: 'secret' },
      };
      await Task.push([fields, fields, fields] as never[]);
      const asQueried = JSON.stringify((await Task.findOne())!.toObject());
      expect(asQueried).not.toContain('secret');

      for (const task of [(await Task.pop())!, ...(await Task.popMany(2))]) {
        expect(JSON.stringify(task.toObject())).not.toContain('secret');
        task.set('owner.name', 'changed');
        await task.finish();
        const { owner, ...others } = fields;
        expect(await stored(Task, task._id)).toMatchObject({ owner: { ...owner, name: 'changed' }, ...others });
      }
    });

    it('has a path that is required and hidden can be finished', async () => {
      const schema = new Schema({ name: String, secret: { type: String, select: false, required: true } });
      const Task = modelOf(schema as Schema);
      await Task.push({ name: 'x', secret: 's' });
      const task = (await Task.pop())!;

      task.set('name', 'changed');
      await task.finish();

      expect(await stored(Task, task._id)).toMatchObject({ name: 'changed', secret: 's' });
    });

    it.each<[string, object | undefined]>([
      ['nothing', undefined],
      ['a transform', { transform: (_: Document, result: Record<string, unknown>) => ({ ...result, shown: true }) }],
      ['virtuals and getters', { virtuals: true, getters: true, flattenMaps: true }],
    ])('has %s for toJSON shows no `_task` anywhere', async (_kind, toJSON) => {
      const Task = modelOf(
        new Schema({ name: String }, { toJSON: toJSON as never, toObject: toJSON as never }) as Schema,
      );
      const pushed = await Task.push({ name: 'x' });
      const popped = (await Task.pop())!;
      popped.set('name', 'y');
      const found = (await Task.findById(pushed._id))!;

      for (const task of [pushed, popped, found, await popped.finish()]) {
        expect(JSON.stringify(task)).not.toContain('_task');
        expect(Object.keys(task.toObject())).not.toContain('_task');
        expect(task.get('_task')).toBeUndefined();
      }
    });

    it('has a method toJSON of its own shows no `_task`', async () => {
      const schema = new Schema({ name: String });
      schema.method('toJSON', function (this: Document) {
        return { ...this.toObject(), own: true };
      });
      const Task = modelOf(schema as Schema);
      await Task.push({ name: 'x' });

      const shown = JSON.parse(JSON.stringify(await Task.pop())) as object;

      expect(Object.keys(shown).sort()).toEqual(['__v', '_id', 'createdAt', 'name', 'own', 'priority', 'state']);
    });

    it.each([false, true])(
      'asks for a write concern gets it on every write (with save hooks: %p)',
      async (hasHooks) => {
        const monitored = await monitoredConnection(database.uri);
        const schema = new Schema({ name: String }, { writeConcern: { w: 1, j: true } });
        if (hasHooks) schema.pre('save', () => {});
        const Task = monitored.connection.model('Concern', taskQueue(schema));
        await Task.init();
        monitored.forget();

        await Task.push({ name: 'a' });
        await Task.push([{ name: 'b' }, { name: 'c' }]);
        const [first, second] = await Task.popMany(2);
        const third = (await Task.pop())!;
        await first!.finish();
        second!.name = 'changed';
        await second!.finish();
        await third.renew();
        await third.retry({ delayMs: 0 });
        await first!.push();

        const writes = monitored.all().filter(({ name }) => ['insert', 'update', 'findAndModify'].includes(name));
        expect(writes.length).toBeGreaterThanOrEqual(9);
        const without = writes.filter(({ body }) => body['writeConcern']?.j !== true);
        expect(without.map(({ name: command, body }) => `${command} ${JSON.stringify(body)}`)).toEqual([]);
      },
    );

    it('has save hooks runs them once for each task that is pushed, alone or with others', async () => {
      const calls: string[] = [];
      const schema = new Schema({ name: String, upper: String });
      schema.pre('save', function () {
        calls.push(`before ${this.name}`);
        this.upper = this.name?.toUpperCase() ?? '';
      });
      schema.post('save', function () {
        calls.push(`after ${this.name} ${this.isNew}`);
      });
      const Task = database.connection.model(name(), taskQueue(schema));

      await Task.push({ name: 'a' });
      await Task.push([{ name: 'b' }, { name: 'c' }]);

      expect(calls.sort()).toEqual(['a', 'b', 'c'].flatMap((name) => [`before ${name}`, `after ${name} false`]).sort());
      expect((await Task.popMany(5)).map(({ upper }) => upper)).toEqual(['A', 'B', 'C']);
    });

    it('has a save hook that throws stores none of the tasks that were pushed', async () => {
      const schema = new Schema({ name: String });
      schema.pre('save', function () {
        if (this.name === 'bad') throw new Error('bad name');
      });
      const Task = database.connection.model(name(), taskQueue(schema));
      const tasks = ['good', 'bad'].map((name) => new Task({ name }));

      await expect(Task.push(tasks)).rejects.toThrow('bad name');
      await expect(tasks[1]!.push()).rejects.toThrow('bad name');

      expect(await Task.countDocuments()).toBe(0);
      expect(tasks.map((task) => seen(task))).toMatchObject([
        { isNew: true, state: State.PENDING },
        { isNew: true, state: State.PENDING },
      ]);
      await tasks[0]!.push();
      expect((await Task.popMany(5)).map(({ name }) => name)).toEqual(['good']);
    });

    it('has query middleware does not run it on claims', async () => {
      const schema = new Schema({ name: String, deleted: Boolean });
      schema.pre(/^find/, function (this: { where(filter: object): void }) {
        this.where({ deleted: { $ne: true } });
      });
      const Task = modelOf(schema as Schema);
      await Task.push({ name: 'x', deleted: true });

      expect((await Task.pop())?.get('name')).toBe('x');
    });
  });

  describe('with arrays, sub-documents and maps', () => {
    const makeOrder = () => {
      const line = new Schema({ product: { type: String, required: true }, amount: { type: Number, default: 1 } });
      const schema = new Schema({
        tags: [String],
        lines: [line],
        address: new Schema({ city: String }),
        prices: { type: Map, of: Number },
        details: { type: Map, of: new Schema({ note: String }) },
        matrix: [[Number]],
        buyer: { type: Schema.Types.ObjectId },
        paid: Schema.Types.Decimal128,
        big: BigInt,
        raw: Buffer,
        anything: {},
      });
      return database.connection.model(name(), taskQueue(schema));
    };
    const fields = () => ({
      tags: ['a', 'b'],
      lines: [{ product: 'tea' }, { product: 'milk', amount: 2 }],
      address: { city: 'London' },
      prices: new Map([['tea', 3]]),
      details: new Map([['tea', { note: 'hot' }]]),
      matrix: [
        [1, 2],
        [3, 4],
      ],
      buyer: new Types.ObjectId(),
      paid: Types.Decimal128.fromString('1.50'),
      big: 2n ** 60n,
      raw: Buffer.from('raw'),
      anything: { goes: [1, { x: 2 }] },
    });
    const Order = (() => {
      let made: ReturnType<typeof makeOrder> | undefined;
      return () => (made ??= makeOrder());
    })();

    beforeEach(async () => {
      await Order().deleteMany({});
    });

    it.each(['alone', 'with others'])('stores them as `create()` does when they are pushed %s', async (how) => {
      const given = fields();
      const created = await Order().create(given);

      const pushed =
        how === 'alone' ? await Order().push(given as never) : (await Order().push([given, given] as never[]))[0]!;

      const own = ['_id', '_task', 'state', 'createdAt'];
      const plain = (raw: mongo.Document) =>
        JSON.parse(JSON.stringify(raw), (key, value: unknown) => (own.includes(key) ? undefined : value)) as object;
      const [expected, found] = [await stored(Order(), created._id), await stored(Order(), pushed._id)];
      expect(plain(found)).toEqual(plain(expected));
      expect(Object.keys(found).filter((key) => key !== '_task')).toEqual(Object.keys(expected));
    });

    it('saves what is changed in them when the task is settled', async () => {
      await Order().push(fields() as never);
      const order = (await Order().pop())!;

      order.tags.push('c');
      order.lines[0]!.amount = 5;
      order.lines.push({ product: 'honey' });
      order.address!.city = 'Paris';
      order.prices!.set('milk', 1);
      order.set('anything.goes', []);
      order.markModified('anything');
      await order.finish();

      expect(await stored(Order(), order._id)).toMatchObject({
        state: 'FINISHED',
        tags: ['a', 'b', 'c'],
        lines: [{ amount: 5 }, { amount: 2 }, { product: 'honey', amount: 1 }],
        address: { city: 'Paris' },
        prices: { tea: 3, milk: 1 },
        anything: { goes: [] },
      });
    });

    it('adds one element once, however often the task is settled and pushed', async () => {
      const order = await Order().push(fields() as never);

      for (const tag of ['c', 'd', 'e']) {
        order.tags.push(tag);
        await order.finish();
        await order.push();
      }

      expect((await stored(Order(), order._id))['tags']).toEqual(['a', 'b', 'c', 'd', 'e']);
    });

    it('refuses those that are not valid in a bulk push', async () => {
      const push = Order().push([{ lines: [{ product: 'tea' }] }, { lines: [{ amount: 1 }] }] as never[]);

      await expect(push).rejects.toThrow('Path `product` is required');
      expect(await Order().countDocuments()).toBe(0);
    });
  });

  describe('used in other ways than by the queue', () => {
    it('hydrates raw tasks, whose bookkeeping stays beside the document', async () => {
      const Task = database.connection.model(name(), taskQueue(new Schema({ name: String })));
      const { _id } = await Task.push({ name: 'x' });
      const raw = await stored(Task, _id);

      const task = Task.hydrate(raw);

      expect(task.toObject()).not.toHaveProperty('_task');
      task.name = 'changed';
      await task.save();
      await task.finish();
      expect(await stored(Task, _id)).toMatchObject({ name: 'changed', state: 'FINISHED' });
    });

    it('finds lean documents as they are stored', async () => {
      const Task = database.connection.model(name(), taskQueue(new Schema({ name: String })));
      const { _id } = await Task.push({ name: 'x' });

      expect(await Task.findById(_id).lean()).toEqual(await stored(Task, _id));
    });

    it('is updated, counted, deleted and aggregated as before', async () => {
      const Task = database.connection.model(name(), taskQueue(new Schema({ name: String })));
      await Task.push([{ name: 'a' }, { name: 'b' }]);

      await Task.updateOne({ name: 'a' }, { $set: { name: 'c' } });
      await Task.findOneAndDelete({ name: 'b' });

      const grouped: unknown[] = await Task.aggregate([{ $group: { _id: '$name', n: { $sum: 1 } } }]);
      expect(grouped).toEqual([{ _id: 'c', n: 1 }]);
    });
  });

  it('works by functions where nothing is bound', async () => {
    const schema = new Schema({ name: String, lease: String });
    const Task = database.connection.model('Unbound', taskQueue(schema, { bind: false }));

    await push(Task, { name: 'x', lease: 'of a flat' });
    const task = (await pop(Task))!;
    await finish(task);

    expect(await stored(Task, task._id)).toMatchObject({ lease: 'of a flat', state: 'FINISHED' });
  });
});
