import { mongo, Schema, Types, type Connection } from 'mongoose';
import { constant, taskQueue, Worker } from 'mongoose-task-queue';
import { useDatabase } from './support/database';
import { eventually } from './support/eventually';
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

  beforeAll(() => {
    Job = makeJob(database.connection);
    Job.on('error', (error: Error) => told.push(error));
  });

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
