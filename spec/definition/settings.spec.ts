import { Schema, Types, type Connection, type ConnectOptions } from 'mongoose';
import { InvalidOptionError, taskQueue, Worker } from 'mongoose-task-queue';
import { monitoredConnection } from '../support/commands';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { nativeOf } from '../support/raw';

describe('settings of the surroundings', () => {
  const database = useDatabase();
  let made = 0;

  const makeModel = (connection: Connection, options: object = {}) =>
    connection.model('Job', taskQueue(new Schema({ n: Number }, options)), `jobs${(made += 1)}`, {
      overwriteModels: true,
    });
  type Job = ReturnType<typeof makeModel>;

  const ways: Record<string, (Job: Job) => unknown> = {
    'push()': (Job) => Job.push({ n: 2 }),
    'push() of many': (Job) => Job.push([{ n: 2 }, { n: 3 }]),
    'push() of a document': (Job) => new Job({ n: 2 }).push(),
    'pop()': (Job) => Job.pop(),
    'popMany()': (Job) => Job.popMany(3),
    'queue()': (Job) => Job.queue({ pollMs: 5, onError: () => {} }).next(),
    'ensureTaskIndexes()': (Job) => Job.ensureTaskIndexes(),
    'start()': (Job) => new Worker(Job, { handler: () => {} }).start(),
    'finish() of a task that waits': async (Job) => (await Job.findOne())!.finish(),
    'unschedule()': async (Job) => (await Job.findOne())!.unschedule(),
  };
  const refusal = async (call: () => unknown): Promise<unknown> => {
    try {
      return await call();
    } catch (error) {
      return error;
    }
  };

  describe.each<[string, ConnectOptions & { uri?: string }, object, string]>([
    ['w: 0 on the schema', {}, { writeConcern: { w: 0 } }, 'w: 0'],
    ['w: 0 on the connection', { w: 0 }, {}, 'w: 0'],
    ['w: 0 in the options of the connection', { writeConcern: { w: 0 } }, {}, 'w: 0'],
    ['w: 0 in the URI', { uri: '?w=0' }, {}, 'w: 0'],
    ['promoteValues: false', { promoteValues: false }, {}, 'promoteValues: false'],
    ['raw: true', { raw: true } as ConnectOptions, {}, 'raw: true'],
  ])('%s', (_name, { uri = '', ...connect }, schema, named) => {
    it.each(Object.keys(ways))('is refused by %s, and nothing is written', async (way) => {
      const connection = await openConnection(database.uri + uri, connect);
      const Job = makeModel(connection, schema);
      const jobs = database.connection.collection(Job.collection.collectionName);
      await jobs.insertOne({ n: 1, state: 'CREATED', priority: 2 });
      // Mongoose itself makes no document of raw bytes.
      if (named === 'raw: true')
        jest.spyOn(Job, 'findOne').mockResolvedValue(Job.hydrate({ _id: new Types.ObjectId() }));
      const before = await jobs.find().toArray();

      const error = await refusal(() => ways[way]!(Job));

      expect(error).toBeInstanceOf(InvalidOptionError);
      expect((error as Error).message).toContain(named);
      expect(await jobs.find().toArray()).toEqual(before);
    });
  });

  it('that acknowledge writes on the schema do for a connection that does not', async () => {
    const connection = await openConnection(database.uri, { w: 0 });
    const Job = makeModel(connection, { writeConcern: { w: 1 } });
    await Job.push({ n: 1 });

    const job = (await Job.pop())!;
    job.set('n', 2);
    await job.finish();

    expect(await Job.findById(job._id)).toMatchObject({ n: 2, state: 'FINISHED' });
  });

  it.each<[string, ConnectOptions]>([
    ['promoteLongs: false', { promoteLongs: false }],
    ['promoteBuffers: true', { promoteBuffers: true }],
    ['useBigInt64: true', { useBigInt64: true }],
    ['bsonRegExp: true', { bsonRegExp: true }],
    ['ignoreUndefined: true', { ignoreUndefined: true }],
    ['serializeFunctions: true', { serializeFunctions: true }],
  ])('like %s work', async (_name, connect) => {
    const connection = await openConnection(database.uri, connect);
    const schema = new Schema({ _id: Buffer, big: BigInt, n: Number, parts: [{ type: Buffer, ref: 'Part' }] });
    const Part = connection.model('Part', taskQueue(new Schema({ _id: Buffer })), `parts${(made += 1)}`);
    const Whole = connection.model(
      'Whole',
      taskQueue(schema, { maxAttempts: 2, dependencies: { parts: 'ALL_OF' } }),
      `wholes${made}`,
    );
    await Whole.init();
    const part = await Part.push({ _id: Buffer.from('p') } as never);
    const parts = [part._id];
    await Whole.push({ _id: Buffer.from('w'), big: 2n ** 60n, n: 2 ** 40, parts } as never, {
      every: 60_000,
      key: 'w',
    });
    await nativeOf(Whole).updateOne({}, { $set: { '_task.availableAt': new Date(0), '_task.dueAt': new Date(0) } });
    expect(await Whole.pop()).toBeNull();
    await (await Part.popMany(2))[0]!.finish();

    const first = (await Whole.pop())!;
    expect(first).toMatchObject({ big: 2n ** 60n, n: 2 ** 40, attempts: 1 });
    await first.retry({ error: new Error('once more'), delayMs: 0 });
    const second = (await Whole.pop())!;
    expect(second.attempts).toBe(2);
    expect(second.failures).toMatchObject([{ message: 'once more', attempt: 1 }]);
    await second.progress({ at: 1 });
    await second.finish();

    expect(await Whole.stats()).toMatchObject({ created: 1, running: 0, delayed: 1 });
    expect(await Part.stats()).toMatchObject({ created: 0, running: 0, failed: 0 });
  });

  it('are looked at without a command', async () => {
    const { connection, all } = await monitoredConnection(database.uri);
    const Job = makeModel(connection);
    await Job.init();
    await Job.push({ n: 1 });
    await Job.pop();

    expect(all().map(({ name }) => name)).toEqual(['insert', 'findAndModify']);
  });
});
