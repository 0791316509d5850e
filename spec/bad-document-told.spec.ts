import { mongo, Schema, Types, type Connection } from 'mongoose';
import { constant, DependencyType, failures, taskQueue, Worker } from 'mongoose-task-queue';
import { useDatabase } from './support/database';
import { eventually } from './support/eventually';
import { BSONTYPE, foreignBytes, foreignProgram, NO_PATTERN, type ForeignProgram } from './support/foreign-bytes';
import { nativeOf } from './support/raw';

const GOOD = 20;
const MAX_SIZE = 16_777_216;
const BROKEN = 'cannot be read';

function makeJob(connection: Connection) {
  const refuse = (value: unknown) => {
    if (value === BROKEN) throw new Error(BROKEN);
    return value;
  };
  const schema = new Schema({
    name: String,
    cast: { type: String, set: refuse, get: refuse },
    kind: String,
    other: { type: Schema.Types.ObjectId, refPath: 'kind' },
  });
  schema.post('init', (document) => {
    if (document.get('name') === BROKEN) throw new Error(BROKEN);
  });

  return connection.model('Job', taskQueue(schema, { maxAttempts: 1, backoff: constant(0) }));
}

describe('one bad document among twenty good ones', () => {
  const database = useDatabase();
  let Job: ReturnType<typeof makeJob>;
  let told: Error[];
  const bad = { _id: new Types.ObjectId('0'.repeat(24)), state: 'CREATED' };
  const past = new Date(1_000);
  const ready = { availableAt: past, dueAt: past };

  let foreign: ForeignProgram;

  beforeAll(async () => {
    foreign = await foreignProgram(database.connection);
    Job = makeJob(database.connection);
    Job.on('error', (error: Error) => told.push(error));
  });

  afterAll(() => foreign.close());

  beforeEach(async () => {
    told = [];
    await nativeOf(Job).deleteMany({});
    await nativeOf(Job).insertMany(
      Array.from({ length: GOOD }, (_, n) => ({ name: `${n}`, state: 'CREATED', _task: {} })),
    );
  });

  const populate = 'other';
  const consumers: Record<string, (take: (name: string) => void) => Promise<void>> = {
    'pop()': async (take) => {
      for (let task = await Job.pop({ populate }); task; task = await Job.pop({ populate })) {
        await task.finish();
        take(task.name!);
      }
    },
    'popMany()': async (take) => {
      for (let tasks = await Job.popMany(7, { populate }); tasks.length > 0; tasks = await Job.popMany(7, { populate }))
        for (const task of tasks) {
          await task.finish();
          take(task.name!);
        }
    },
    ...Object.fromEntries(
      [1, 8].map((concurrency) => [
        `a worker of ${concurrency}`,
        async (take: (name: string) => void) => {
          const handler = (task: { name?: string | null }) => take(task.name!);
          const worker = new Worker(Job, { concurrency, populate, handler });
          worker.on('error', (error) => void told.push(error as Error));
          worker.on('failed', (_task, error) => void told.push(error as Error));
          const isIdle = new Promise((resolve) => void worker.once('idle', () => resolve(null)));
          await worker.start();
          await isIdle;
          await worker.stop();
        },
      ]),
    ),
  };
  const consume = async (consumer: string): Promise<string[]> => {
    const taken: string[] = [];
    await consumers[consumer]!((name) => void taken.push(name));
    return taken.filter((name) => /^\d+$/.test(name));
  };
  const names = Array.from({ length: GOOD }, (_, n) => `${n}`).toSorted();
  const stored = async () => (await nativeOf(Job).findOne({ _id: bad._id }))!;

  describe.each(Object.keys(consumers))('with %s', (consumer) => {
    it.each([
      { what: 'an init hook that throws', fields: { name: BROKEN } },
      { what: 'a refPath that names no model', fields: { kind: 'Nobody', other: new Types.ObjectId() } },
      { what: 'a refPath of an inherited name', fields: { kind: 'constructor', other: new Types.ObjectId() } },
    ])('$what fails it, with the reason, and tells it', async ({ fields }) => {
      await nativeOf(Job).insertOne({ ...bad, ...fields, _task: ready });

      expect((await consume(consumer)).toSorted()).toEqual(names);
      await eventually(async () => {
        const { state, _task: task } = await stored();
        expect(state).toBe('FAILED');
        expect((task as { errors: object[] }).errors).toEqual([
          expect.objectContaining({ message: expect.any(String) as string, attempt: 1 }),
        ]);
      });
      expect(told).toHaveLength(1);
    });

    it.each([
      { what: 'a pattern that nobody can read', fields: { any: new mongo.BSONRegExp(NO_PATTERN, 'i') } },
      { what: 'such a pattern in a list', fields: { any: { list: [new mongo.BSONRegExp(NO_PATTERN, 'i')] } } },
      { what: 'an `_id` of which the schema makes another', fields: { _id: 7 } },
      { what: 'an `_id` of which the schema makes none', fields: { _id: 'no ObjectId' } },
    ])('$what fails it, with the reason, and tells it', async ({ fields }) => {
      await foreign.insert('jobs', foreignBytes({ ...bad, name: 'bad', ...fields, _task: ready }));

      expect((await consume(consumer)).toSorted()).toEqual(names);
      await eventually(async () => {
        const found = await nativeOf(Job).findOne({ name: 'bad' }, { projection: { state: 1, _task: 1 } });
        expect(found).toMatchObject({
          state: 'FAILED',
          _task: { errors: [{ message: expect.any(String) as string, attempt: 1 }] },
        });
      });
      expect(told).toHaveLength(1);
    });

    it.each([{ task: [] }, { task: [{}] }, { task: 'x' }])(
      'a pattern that nobody can read, beside $task for bookkeeping, fails it, with the reason',
      async ({ task }) => {
        const fields = { any: new mongo.BSONRegExp(NO_PATTERN, 'i') };
        await foreign.insert('jobs', foreignBytes({ ...bad, name: 'bad', ...fields, _task: task }));

        expect((await consume(consumer)).toSorted()).toEqual(names);
        await eventually(async () => {
          const found = await nativeOf(Job).findOne({ name: 'bad' }, { projection: { state: 1, _task: 1 } });
          expect(found).toMatchObject({ state: 'FAILED', _task: { errors: [{ attempt: 1 }] } });
        });
      },
    );

    it('bookkeeping that nobody can read does not keep it from being finished', async () => {
      const task = {
        ...ready,
        progress: { at: new mongo.BSONRegExp(NO_PATTERN, 'i') },
        attempts: new mongo.BSONRegExp(NO_PATTERN, 'i'),
      };
      await foreign.insert('jobs', foreignBytes({ ...bad, name: 'bad', _task: task }));

      expect((await consume(consumer)).toSorted()).toEqual(names);
      expect(told).toHaveLength(0);
      expect(await nativeOf(Job).findOne({ name: 'bad' }, { projection: { state: 1 } })).toMatchObject({
        state: 'FINISHED',
      });
    });

    it('a reference to what nobody can read fails it, with the reason, and tells it', async () => {
      const unread = new Types.ObjectId();
      await foreign.insert('jobs', foreignBytes({ _id: unread, any: new mongo.BSONRegExp(NO_PATTERN, 'i') }));
      await nativeOf(Job).insertOne({ ...bad, kind: 'Job', other: unread, _task: ready });

      expect((await consume(consumer)).toSorted()).toEqual(names);
      await eventually(async () => {
        expect(await stored()).toMatchObject({ state: 'FAILED', _task: { errors: [{ attempt: 1 }] } });
      });
      expect(told).toHaveLength(1);
    });

    it.each([
      { what: 'attempts that are no number', task: { ...ready, attempts: Number.NaN } },
      { what: 'bookkeeping that is an array', task: [] },
      { what: 'bookkeeping that is an array of something', task: [{}] },
      { what: 'bookkeeping that is a text', task: 'x' },
      { what: 'a getter and a cast that throw', task: ready, fields: { cast: BROKEN } },
      { what: 'a pattern of another language', task: ready, fields: { any: new mongo.BSONRegExp('(?i)x') } },
    ])('$what does not keep it from being finished', async ({ task, fields = {} }) => {
      await nativeOf(Job).insertOne({ ...bad, name: 'bad', ...fields, _task: task } as never);

      expect((await consume(consumer)).toSorted()).toEqual(names);
      expect(await nativeOf(Job).findOne({ _id: bad._id }, { bsonRegExp: true })).toMatchObject({ state: 'FINISHED' });
    });

    it('no room for a claim fails it', async () => {
      const document = { ...bad, _task: ready, filler: '' };
      const room = MAX_SIZE - mongo.BSON.calculateObjectSize(document) - 5;
      await nativeOf(Job).insertOne({ ...document, filler: 'x'.repeat(room) });

      expect((await consume(consumer)).toSorted()).toEqual(names);
      expect((await stored())['state']).toBe('FAILED');
    });
  });
});

describe('a recurring task of which no document can be made, and that is due again at once', () => {
  const database = useDatabase();

  it('does not keep popMany() from handing out the others', async () => {
    const Job = makeJob(database.connection);
    Job.on('error', () => {});
    const past = new Date(1_000);
    const _task = { availableAt: past, dueAt: past };
    await nativeOf(Job).insertMany([
      { name: 'good', state: 'CREATED', priority: 10, _task },
      { name: BROKEN, state: 'CREATED', _task: { ..._task, schedule: { every: 1 } } },
    ]);

    expect((await Job.popMany(2)).map(({ name }) => name)).toEqual(['good']);
  });
});

describe('bookkeeping of another program', () => {
  const database = useDatabase();
  const odd = { [BSONTYPE]: 'ObjectId' };
  let foreign: ForeignProgram;
  let Job: ReturnType<typeof makeWaiting>;
  const past = new Date(1_000);
  const ready = { availableAt: past, dueAt: past };

  function makeWaiting(connection: Connection) {
    const options = { maxAttempts: 3, backoff: constant(0) };
    connection.model('Source', taskQueue(new Schema({ _id: {} }), options));
    const dependsOn = { type: DependencyType.DIRECT, onMissing: 'fail', onFailed: 'fail' } as const;
    return connection.model('Job', taskQueue(new Schema({ source: { type: {}, ref: 'Source', dependsOn } }), options));
  }

  beforeAll(async () => {
    foreign = await foreignProgram(database.connection);
    Job = makeWaiting(database.connection);
    await Job.pop();
  });
  afterAll(() => foreign.close());
  beforeEach(() =>
    Promise.all(Object.values(database.connection.models).map((model) => nativeOf(model).deleteMany({}))),
  );

  const insert = (task: object, fields: object = {}) =>
    foreign.insert('jobs', foreignBytes({ state: 'CREATED', ...fields, _task: { ...ready, ...task } }));

  it('does not keep a task from failing with its dependency', async () => {
    await insert({ attempts: odd }, { source: 'missing' });

    expect(await Job.pop()).toBeNull();
    expect(await Job.findOne()).toMatchObject({ state: 'FAILED', failures: [{ attempt: 0 }] });
  });

  it.each([
    { what: 'no list', errors: 'x' },
    { what: 'entries of nothing', errors: [null] },
    { what: 'a message that is no text', errors: [{ message: { toString: 1 } }] },
    {
      what: 'a cause that cannot be sent',
      errors: [{ message: 'x', cause: { model: 'Source', id: odd, message: '' } }],
    },
    { what: 'something else that cannot be sent', errors: [{ message: 'x', other: odd }] },
  ])('is no reason not to fail, where its errors have $what', async ({ errors }) => {
    await insert({ errors });
    const [task] = [(await Job.pop())!];

    await task.retry({ error: new Error('once more') });

    expect(failures(task)).toMatchObject([{ message: 'once more', attempt: 1 }]);
    await (await Job.pop())!.fail(new Error('over'));
    expect((await Job.findOne())!.failures).toHaveLength(2);
  });

  it.each([{ errors: 'x' }, { errors: [null] }, { errors: [{ message: 1, cause: { model: {}, id: odd } }] }])(
    'is no reason for what waits for it not to fail: %j',
    async (task) => {
      await foreign.insert('sources', foreignBytes({ _id: { toString: 1 }, state: 'FAILED', _task: task }));
      await insert({}, { source: { toString: 1 } });

      expect(await Job.pop()).toBeNull();
      expect(await Job.findOne()).toMatchObject({
        state: 'FAILED',
        failures: [{ message: expect.stringContaining('A dependency failed: Source') as string }],
      });
    },
  );

  it.each([{ every: 1_000, cron: odd }, { every: 1_000, other: odd }, { cron: '* * * * *' }])(
    'is no schedule, if it is more or less than one: %j',
    async (schedule) => {
      await insert({ schedule });

      await (await Job.pop())!.finish();

      expect(await Job.findOne()).toMatchObject({ state: 'FINISHED' });
    },
  );

  it('that another program puts under a held task is told as a lost lease', async () => {
    await insert({});
    const task = (await Job.pop())!;
    await nativeOf(Job).updateOne({}, { $set: { '_task.token': 'x' } });

    await expect(task.finish()).rejects.toMatchObject({ name: 'LeaseLostError' });
  });
});
