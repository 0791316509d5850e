import { Mongoose, Schema, type Model } from 'mongoose';
import { taskQueue, type TaskMethods, type TaskStatics } from 'mongoose-task-queue';
import { useDatabase } from '../support/database';
import { nativeOf, stored } from '../support/raw';
import { seen } from '../support/seen';

// What the plugin makes of a model whose schema it was given at run time.
type AnyTaskModel = Model<any, {}, TaskMethods, {}, any, any> & TaskStatics;

describe('a copy of a schema, which does not tell the plugin of its models', () => {
  const database = useDatabase();
  const schema = () => taskQueue(new Schema({ to: String, size: Number }));

  it.each<[string, () => Schema]>([
    ['omit()', () => schema().omit(['size']) as unknown as Schema],
    ['new Schema()', () => new Schema(schema() as never)],
    ['clone()', () => schema().clone() as unknown as Schema],
    ['omit() and taskQueue()', () => taskQueue(schema().omit(['size']) as never) as unknown as Schema],
  ])('by %s makes whole queues', async (way, copy) => {
    const Email = database.connection.model(way, copy()) as unknown as AnyTaskModel;
    const pushed = await Email.push({ to: 'ada' }, { key: 'k' });

    const task = (await Email.pop())!;

    expect(pushed.pushOutcome).toBe('queued');
    expect(task.lease?.attempt).toBe(1);
    await task.finish();
    expect(await Email.stats()).toMatchObject({ created: 0, running: 0 });
  });

  it('is refused at its first use where a model of the schema itself would be', async () => {
    const copy = schema().omit(['size']) as unknown as Schema;
    copy.static('pop', () => null);
    const Email = database.connection.model('Refused', copy) as unknown as AnyTaskModel;

    await expect(Email.push({ to: 'ada' })).rejects.toThrow('pop');
  });
});

describe('mongoose.plugin(taskQueue)', () => {
  const database = useDatabase();
  const instance = new Mongoose();
  instance.plugin(taskQueue as never, { leaseMs: 60_000 } as never);

  beforeAll(() => instance.connect(database.uri));
  afterAll(() => instance.disconnect());

  it('makes every model of that Mongoose a task queue', async () => {
    const Email = instance.model('Email', new Schema({ to: String })) as unknown as AnyTaskModel;
    await Email.push({ to: 'ada@example.org' });

    const task = (await Email.pop())!;
    await task.finish();

    expect(await stored(Email, task._id)).toMatchObject({ to: 'ada@example.org', state: 'FINISHED' });
  });

  it('leaves the sub-schemas alone, also where they have fields of the same names', async () => {
    const line = new Schema({ product: String, state: String, priority: String, lease: Number });
    const address = new Schema({ city: String, state: { type: String, default: 'none' } });
    const schema = new Schema({ lines: [line], address, byName: { type: Map, of: address }, deep: { line } });
    const Order = instance.model('Order', schema) as unknown as AnyTaskModel;
    const place = { city: 'Boston', state: 'MA' };
    const item = { product: 'tea', state: 'sold out', priority: 'none', lease: 3 };

    await Order.push({
      lines: [item, { product: 'milk' }],
      address: place,
      byName: { a: place },
      deep: { line: item },
    });
    await (await Order.pop())!.finish();

    const [raw] = await nativeOf(Order).find().toArray();
    expect(raw).toMatchObject({ state: 'FINISHED', address: place, byName: { a: place }, deep: { line: item } });
    expect(Object.keys(raw.lines[1]).sort()).toEqual(['_id', 'product']);
    expect(raw.lines[0]).toMatchObject(item);
    expect(raw.lines[0]).not.toHaveProperty('createdAt');
  });

  it('works with a sub-schema that is a model of its own as well', async () => {
    const address = new Schema({ city: String });
    const Address = instance.model('Address', address) as unknown as AnyTaskModel;
    const Person = instance.model('Person', new Schema({ name: String, address })) as unknown as AnyTaskModel;

    await Address.push({ city: 'Paris' });
    await Person.push({ name: 'Ada', address: { city: 'London' } });

    expect((await Address.pop())?.get('city')).toBe('Paris');
    const person = (await Person.pop())!;
    expect(Object.keys((await stored(Person, person._id))['address'] as object).sort()).toEqual(['_id', 'city']);
  });

  it('works where the plugin was applied to the schema as well', async () => {
    const schema = taskQueue(new Schema({ name: String }), { leaseMs: 60_000 });
    const Both = instance.model('Both', schema as never) as unknown as AnyTaskModel;

    await Both.push({ name: 'x' });

    expect((await Both.pop())?.get('name')).toBe('x');
  });

  it('works with discriminators', async () => {
    const Base = instance.model('Base', new Schema({ name: String })) as unknown as AnyTaskModel;
    const Kind = Base.discriminator('Kind', new Schema({ size: Number })) as unknown as AnyTaskModel;
    await Base.push({ name: 'base' });
    await Kind.push({ name: 'kind', size: 1 });

    expect((await Kind.popMany(5)).map((task) => task.get('name') as string)).toEqual(['kind']);
    expect((await Base.popMany(5)).map((task) => task.get('name') as string)).toEqual(['base']);
  });

  it('leaves other instances of Mongoose alone', () => {
    const Plain = database.connection.model('Plain', new Schema({ name: String }));

    expect(Plain).not.toHaveProperty('pop');
    expect(Object.keys(Plain.schema.paths)).not.toContain('state');
  });
});

describe('the plugin on a sub-schema', () => {
  const database = useDatabase();

  it('does not make its documents tasks', async () => {
    const step = taskQueue(new Schema({ name: String }));
    const Recipe = database.connection.model('Recipe', new Schema({ title: String, steps: [step], last: step }));

    const { _id } = await new Recipe({ title: 'tea', steps: [{ name: 'boil' }], last: { name: 'pour' } }).save();
    const recipe = (await Recipe.findById(_id))!;
    recipe.steps.push({ name: 'wait' } as never);
    await recipe.save();

    const raw = await stored(Recipe, _id);
    expect(Object.keys(raw).sort()).toEqual(['__v', '_id', 'last', 'steps', 'title']);
    for (const part of [...raw['steps'], raw['last']])
      expect(Object.keys(part as object).sort()).toEqual(['_id', 'name']);
    expect(Recipe).not.toHaveProperty('pop');
    expect((await nativeOf(Recipe).indexes()).map(({ name }) => name)).toEqual(['_id_']);
  });

  it('does not get into the way of the plugin on the schema around it', async () => {
    const step = taskQueue(new Schema({ name: String }));
    const Recipe = database.connection.model('QueuedRecipe', taskQueue(new Schema({ title: String, steps: [step] })));

    await Recipe.push({ title: 'tea', steps: [{ name: 'boil' }] } as never);
    const recipe = (await Recipe.pop())!;
    recipe.title = 'coffee';
    await recipe.finish();

    expect(await stored(Recipe, recipe._id)).toMatchObject({ title: 'coffee', state: 'FINISHED' });
  });
});

describe('indexes', () => {
  const database = useDatabase();
  const indexNames = async (model: Model<any, any, any, any, any, any>) =>
    (await nativeOf(model).indexes()).map(({ name }) => name as string).sort();

  it.each([
    ['the schema', () => taskQueue(new Schema({ name: String }, { autoIndex: false }))],
    ['the schema, after the plugin', () => taskQueue(new Schema({ name: String })).set('autoIndex', false)],
  ])('are made by the first pop where %s says `autoIndex: false`', async (kind, makeSchema) => {
    const schema = makeSchema() as ReturnType<typeof makeSchema> & Schema;
    const Task = database.connection.model(`No indexes, ${kind}`, schema) as unknown as AnyTaskModel;
    await Task.init();
    await Task.push({ name: 'x' });
    expect(await indexNames(Task)).toEqual(['_id_']);

    const task = await Task.pop();

    expect(task?.get('name')).toBe('x');
    expect(await indexNames(Task)).toEqual(['_id_', 'task_claim', 'task_ended', 'task_expiry', 'task_key']);
  });

  it.each([
    ['the schema', (schema: Schema) => schema.set('collation', { locale: 'en', strength: 2 })],
    ['the collection alone', () => {}],
  ])('are found where %s has a collation', async (where, set) => {
    const schema = new Schema({ name: String });
    set(schema);
    const name = `collation of ${where}`;
    await database.connection.createCollection(name, { collation: { locale: 'en', strength: 2 } });
    const Task = database.connection.model(name, taskQueue(schema, { category: true }), name);
    await Task.init();

    await Task.push({ name: 'x', category: 'a' }, { key: 'k' });
    await Task.push({ name: 'y', category: 'B' }, { key: 'l' });

    expect(seen(await Task.pop({ category: 'a' }))).toMatchObject({ name: 'x' });
    await Task.ensureTaskIndexes();
    expect(seen(await Task.pop())).toMatchObject({ name: 'y' });
  });

  it('are kept when they are synced, with those of the schema', async () => {
    const schema = new Schema({ name: { type: String, index: true } });
    const Task = database.connection.model('Synced', taskQueue(schema, { category: true }));
    await Task.ensureTaskIndexes();
    await nativeOf(Task).createIndex({ other: 1 });

    expect(await Task.syncIndexes()).toEqual(['other_1']);

    const names = ['_id_', 'name_1', 'task_category', 'task_claim', 'task_ended', 'task_expiry', 'task_key'];
    expect(await indexNames(Task)).toEqual(names);
    expect(await Task.diffIndexes()).toEqual({ toDrop: [], toCreate: [] });
  });

  describe('that are dropped under a queue at work', () => {
    const makeTask = (name: string) => database.connection.model(name, taskQueue(new Schema({ name: String })));
    const drops: [string, (Task: ReturnType<typeof makeTask>) => Promise<unknown>][] = [
      ['the indexes', (Task) => nativeOf(Task).dropIndexes()],
      ['the collection', (Task) => nativeOf(Task).drop()],
      ['the database', () => database.connection.dropDatabase()],
    ];

    it.each(drops)('are made again when %s are gone', async (what, drop) => {
      const Task = makeTask(`Dropped with ${what}`);
      await Task.push({ name: 'before' });
      await Task.pop();

      await drop(Task);
      expect(await Task.pop()).toBeNull();
      await Task.push({ name: 'after' });

      expect(seen(await Task.pop())).toMatchObject({ name: 'after', attempts: 1 });
      expect(await indexNames(Task)).toEqual(['_id_', 'task_claim', 'task_ended', 'task_expiry', 'task_key']);
    });

    it.each(drops)('are made again by the other verbs when %s are gone', async (what, drop) => {
      const Task = makeTask(`Dropped elsewhere with ${what}`);
      await Task.push({ name: 'before' });
      await Task.pop();

      await drop(Task);
      await Task.push([{ name: 'a' }, { name: 'b' }]);

      expect(await Task.isEmpty()).toBe(false);
      await drop(Task);
      await Task.push([{ name: 'a' }, { name: 'b' }]);
      expect((await Task.popMany(2)).map(({ name }) => name)).toEqual(['a', 'b']);
      await drop(Task);
      await expect(Task.stats()).resolves.toMatchObject({ running: expect.any(Number) as number });
    });

    it('keep keys unique again', async () => {
      const Task = makeTask('Dropped with keys');
      await Task.push({ name: 'before' }, { key: 'k' });
      await nativeOf(Task).drop();

      const first = await Task.push({ name: 'first' }, { key: 'k' });
      await Task.pop();
      const second = await Task.push({ name: 'second' }, { key: 'k' });

      expect(second.id).toBe(first.id);
    });
  });
});
