import { createConnection, Schema, Types, type Connection, type Model } from 'mongoose';
import { InvalidOptionError, taskQueue, type DependencyDeclaration } from 'mongoose-task-queue';
import { popSoon } from '../support/pop-soon';
import { useDatabase } from '../support/database';
import { stored } from '../support/raw';

const { ObjectId } = Schema.Types;

describe('the model that a dependency refers to', () => {
  const database = useDatabase();
  const opened: Connection[] = [];
  let count = 0;

  const connect = async () => {
    const connection = await createConnection(database.uri).asPromise();
    opened.push(connection);
    return connection;
  };
  const taskModel = (ref: unknown, dependsOn: DependencyDeclaration = 'DIRECT', connection = database.connection) =>
    connection.model(`Task${count++}`, taskQueue(new Schema({ source: { type: ObjectId, ref, dependsOn } as never })));
  const sourceModel = (connection: Connection, name = `Source${count++}`) =>
    connection.model(name, taskQueue(new Schema({ name: String }), { leaseMs: 60_000 }));

  afterAll(() => Promise.all(opened.map((connection) => connection.destroy())));

  /** A task waits for a document of the model, and no longer. */
  async function expectToWait(Task: ReturnType<typeof taskModel>, Source: ReturnType<typeof sourceModel>) {
    const source = await Source.push({ name: 'source' });
    const { id } = await Task.push({ source: source._id } as never);
    expect(await Task.pop()).toBeNull();

    await source.finish();
    expect((await popSoon(Task)).id).toBe(id);
  }

  it.each<[string, (name: string, Source: Model<never>) => unknown]>([
    ['its name', (name) => name],
    ['the model itself', (_name, Source) => Source],
    ['a function that returns the model', (_name, Source) => () => Source],
    ['a function that returns its name', (name) => () => name],
  ])('may be given as %s', async (_how, refTo) => {
    const Source = sourceModel(database.connection);

    await expectToWait(taskModel(refTo(Source.modelName, Source as never)), Source);
  });

  it('is marked alike by processes that define it before and after they connect', async () => {
    const marked = async (isOpenBefore: boolean) => {
      const connection = createConnection();
      opened.push(connection);
      if (isOpenBefore) await connection.openUri(database.uri);
      const Source = connection.model('MarkedSource', taskQueue(new Schema({})));
      const source = { type: ObjectId, ref: 'MarkedSource', dependsOn: 'DIRECT' as const };
      const Task = connection.model('MarkedTask', taskQueue(new Schema({ source })));
      if (!isOpenBefore) await connection.openUri(database.uri);
      const { _id } = await Task.push({ source: (await Source.push({}))._id });
      return ((await stored(Task, _id))['_task'] as { waitingOn: { mark: string }[] }).waitingOn[0]?.mark;
    };

    const mark = await marked(true);
    expect(mark).toEqual(expect.any(String));
    expect(await marked(false)).toBe(mark);
  });

  it.each([
    ['its name', (name: string) => name],
    ['a function', (name: string) => () => database.connection.models[name]],
  ])('may be defined after the tasks were pushed, given as %s', async (_how, refTo) => {
    const Task = taskModel(refTo('Late'));
    const sourceId = new Types.ObjectId();
    const { id } = await Task.push({ source: sourceId } as never);

    const Late = sourceModel(database.connection, 'Late');
    await Late.collection.insertOne({ _id: sourceId, state: 'CREATED' });
    expect(await Task.pop()).toBeNull();
    await (await Late.pop())!.finish();
    expect((await popSoon(Task)).id).toBe(id);
    database.connection.deleteModel('Late');
  });

  it('may be the model of the task itself', async () => {
    const Step = database.connection.model(
      'Step',
      taskQueue(new Schema({ after: { type: ObjectId, ref: 'Step', dependsOn: 'DIRECT' } })),
    );
    const first = await Step.push({});
    const second = await Step.push({ after: first._id });

    const popped = await Step.popMany(5);
    expect(popped.map(({ id }) => id as string)).toEqual([first.id]);
    await popped[0]!.finish();
    expect((await popSoon(Step)).id).toBe(second.id);
  });

  it('may be a kind of a base, also after Mongoose made the indexes of the kind', async () => {
    const Base = sourceModel(database.connection);
    const Kind = Base.discriminator(`Kind${count++}`, new Schema({ size: Number })) as unknown as typeof Base;

    await expectToWait(taskModel(Kind.modelName), Kind);
    await Kind.createIndexes();
    expect([await Kind.syncIndexes(), await Base.syncIndexes()]).toEqual([[], []]);
    await expectToWait(taskModel(Kind.modelName), Kind);
  });

  it('may be on another connection, by its name or as itself', async () => {
    const Source = sourceModel(await connect());

    await expectToWait(taskModel(Source.modelName), Source);
    await expectToWait(taskModel(Source), Source);
  });

  it('may be in another database, by its name or as itself', async () => {
    const other = database.connection.useDb(`${database.connection.name}_other`);
    const Source = sourceModel(other);

    await expectToWait(taskModel(Source.modelName), Source);
    await expectToWait(taskModel(Source), Source);
    await other.dropDatabase();
  });

  it('is that of the connection of the task, where several have one of that name', async () => {
    const [one, other] = [await connect(), await connect()];
    const name = `Shared${count++}`;
    const Own = one.model(name, taskQueue(new Schema({ name: String })), `${name}_own`);
    other.model(name, taskQueue(new Schema({ name: String })), `${name}_other`);

    await expectToWait(taskModel(name, 'DIRECT', one), Own);
  });

  it('is that of the connection of which the database of the task was made by `useDb()`, before any other', async () => {
    const [one, other] = [await connect(), await connect()];
    const name = `Shared${count++}`;
    const Own = one.model(name, taskQueue(new Schema({ name: String })), `${name}_own`);
    other.model(name, taskQueue(new Schema({ name: String })), `${name}_other`);

    await expectToWait(taskModel(name, 'DIRECT', one.useDb(database.connection.name)), Own);
  });

  it('is refused by the first pop where several other connections have one of that name', async () => {
    const name = `Shared${count++}`;
    for (const connection of [await connect(), await connect()]) sourceModel(connection, name);
    const Task = taskModel(name);

    await expect(Task.pop()).rejects.toThrow(
      new InvalidOptionError(
        `The dependency \`source\` of ${Task.modelName} refers to the model \`${name}\`, which several connections have. Pass the model itself as \`ref\`.`,
      ),
    );
  });

  it.each([
    ['a name', 'Nowhere', 'Nowhere'],
    ['a function that returns a name', () => 'Nowhere', 'what its `ref` function returns'],
    ['a function that returns nothing', () => undefined, 'what its `ref` function returns'],
  ])('is missed by the first pop, and not before, where it never exists: %s', async (_how, ref, name) => {
    const Task = taskModel(ref);
    await Task.push({ source: new Types.ObjectId() } as never);
    const missed = new InvalidOptionError(
      `The dependency \`source\` of ${Task.modelName} refers to the model \`${name}\`, which no connection has. Define it before the first \`pop()\`, or pass the model itself as \`ref\`.`,
    );

    await expect(Task.pop()).rejects.toThrow(missed);
    await expect(Task.pop()).rejects.toThrow(missed);
    await expect(Task.popMany(5)).rejects.toThrow(missed);
    await expect(Task.isEmpty()).rejects.toThrow(missed);
  });

  it('is missed even by a queue without tasks', async () => {
    await expect(taskModel('Nowhere').pop()).rejects.toThrow('refers to the model `Nowhere`');
  });

  it('cannot depend on the document, as a function of it would', async () => {
    expect(() => taskModel((task: { kind: string }) => task.kind)).toThrow(
      new InvalidOptionError(
        "The `ref` of the dependency `source` is a function of the document. Write `refPath: 'kind'`, the path that holds the model's name.",
      ),
    );
    const Task = taskModel(function (this: { kind: string }) {
      return this.kind;
    });
    await expect(Task.pop()).rejects.toThrow('The `ref` of the dependency `source` is a function of the document.');
  });
});

describe('a model without the plugin', () => {
  const database = useDatabase();
  const orderModel = (name: string) =>
    database.connection.model(name, new Schema({ status: String, total: Number, paidAt: Date }));
  const taskModel = (name: string, dependsOn: DependencyDeclaration, ref = 'Order') =>
    database.connection.model(name, taskQueue(new Schema({ order: { type: ObjectId, ref, dependsOn } })));

  let Order: ReturnType<typeof orderModel>;

  beforeAll(() => {
    Order = orderModel('Order');
  });

  it('is refused without `when`, naming the path and the line to write', async () => {
    const Task = taskModel('Unconditional', 'DIRECT');

    await expect(Task.pop()).rejects.toThrow(
      new InvalidOptionError(
        "The dependency `order` of Unconditional refers to Order, which has no task queue, so nothing says when it is done. Write `dependsOn: { type: 'DIRECT', when: { status: 'done' } }`, or apply the plugin to it.",
      ),
    );
  });

  it('is waited for with `when`', async () => {
    const Task = taskModel('Conditional', { type: 'DIRECT', when: { status: 'paid' } });
    const order = await Order.create({ status: 'open' });
    const { id } = await Task.push({ order: order._id });

    expect(await Task.pop()).toBeNull();
    await Order.updateOne({ _id: order._id }, { status: 'paid' });
    expect((await popSoon(Task)).id).toBe(id);
  });

  it('is refused with a `when` whose values it cannot have, naming the path', async () => {
    const Task = taskModel('Misfit', { type: 'DIRECT', when: { total: 'much' } });

    await expect(Task.pop()).rejects.toThrow(InvalidOptionError);
    await expect(Task.pop()).rejects.toThrow(
      /^The `when` of the dependency `order` of Misfit does not fit Order\. Cast to Number failed for value "much"/,
    );
  });

  it('is refused where `refPath` may name it', async () => {
    const schema = new Schema({
      kind: { type: String, enum: ['Order'] },
      source: { type: ObjectId, refPath: 'kind', dependsOn: 'DIRECT' },
    });
    const Task = database.connection.model('Enumerated', taskQueue(schema));

    await expect(Task.pop()).rejects.toThrow(
      'The dependency `source` of Enumerated refers to Order, which has no task queue',
    );
  });

  it.each(['constructor', '__proto__', 'toString', 'Nothing'])(
    'counts as missing where the name in the task is that of no model: %s',
    async (kind) => {
      const schema = new Schema({ kind: String, source: { type: ObjectId, refPath: 'kind', dependsOn: 'DIRECT' } });
      const Task = database.connection.model(`Own_${kind}`, taskQueue(schema));
      const tasks = await Task.push([{ source: new Types.ObjectId(), kind }, {}]);
      await Task.collection.insertOne({ state: 'CREATED', source: new Types.ObjectId(), kind });

      expect((await Task.popMany(5)).map(({ id }) => id as string)).toEqual([tasks[1]!.id]);
      expect(await Task.stats()).toMatchObject({ blocked: 2 });
    },
  );

  it('counts as missing where only another connection has it, and the schema does not name it', async () => {
    const other = await createConnection(database.uri).asPromise();
    const Secret = other.model('Secret', taskQueue(new Schema({ name: String })));
    const secret = await Secret.push({ name: 'secret' });
    const source = { type: ObjectId, refPath: 'kind', dependsOn: 'DIRECT' };
    const Task = database.connection.model('Curious', taskQueue(new Schema({ kind: String, source })));
    const kind = { type: String, enum: ['Secret'] };
    const Allowed = database.connection.model('Allowed', taskQueue(new Schema({ kind, source })));

    const task = await Task.push({ kind: 'Secret', source: secret._id });
    expect(await Task.pop()).toBeNull();
    expect(await task.blockedBy()).toMatchObject([{ documents: [{ standing: 'missing', values: null }] }]);
    expect((await stored(Secret, secret._id))['_task']).not.toHaveProperty('armed');

    const allowed = await Allowed.push({ kind: 'Secret', source: secret._id });
    expect(await allowed.blockedBy()).toMatchObject([{ documents: [{ standing: 'unmet' }] }]);
    await other.destroy();
  });

  it('counts as missing where a task names it all the same, and stops no other', async () => {
    const schema = new Schema({ kind: String, source: { type: ObjectId, refPath: 'kind', dependsOn: 'DIRECT' } });
    const Task = database.connection.model('Named', taskQueue(schema));
    const order = await Order.create({ status: 'open' });
    const [stray, unknown, ready] = await Task.push([
      { source: order._id, kind: 'Order' },
      { source: order._id, kind: 'Nothing' },
      {},
    ]);

    expect((await Task.popMany(5)).map(({ id }) => id as string)).toEqual([ready!.id]);
    for (const task of [stray!, unknown!]) {
      expect(await task.blockedBy()).toMatchObject([{ path: 'source', documents: [{ standing: 'missing' }] }]);
      expect(await stored(Task, task._id)).toMatchObject({ state: 'CREATED', _task: { waitingOn: [] } });
    }
  });
});
