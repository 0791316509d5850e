import { mongo, Schema, Types } from 'mongoose';
import { constant, DependencyType, taskQueue, Worker } from 'mongoose-task-queue';
import { monitoredConnection, type MonitoredConnection } from './support/commands';
import { useDatabase } from './support/database';
import {
  AGAIN,
  BSONTYPE,
  FAR_DATE,
  foreignBytes,
  foreignProgram,
  NO_PATTERN,
  NO_TEXT,
  type ForeignProgram,
} from './support/foreign-bytes';
import { nativeOf } from './support/raw';

const GOOD = 20;
/** Of all that a consumer does: one that spins sends thousands. */
const MAX_COMMANDS = 250;
const past = new Date(1_000);
const ready = { availableAt: past, dueAt: past };

const IDS: Record<string, unknown> = {
  'a date beyond those of JavaScript': FAR_DATE,
  'a text that is no UTF-8': NO_TEXT,
  'an object with such a date': { a: FAR_DATE },
  'an object with such a text': { a: NO_TEXT },
  'an object with one name twice': { again: 1, [AGAIN]: 2 },
  'an object whose names are numbers': new Map([
    ['b', 1],
    ['1', 2],
  ]),
  'an object that looks like a type of the driver': { [BSONTYPE]: 'ObjectId' },
  'code with such a date': new mongo.Code('x', { a: FAR_DATE }),
};

describe.each(['without dependencies', 'with dependencies'])(
  'a task whose `_id` cannot be sent as it is read, %s',
  (of) => {
    const database = useDatabase();
    let monitor: MonitoredConnection;
    let foreign: ForeignProgram;
    let Job: ReturnType<typeof makeJob>;
    let told: unknown[];

    function makeJob() {
      const { connection } = monitor;
      const options = { maxAttempts: 1, backoff: constant(0), recheckMs: 86_400_000 };
      connection.model('Source', taskQueue(new Schema({}), options));
      const ref = { type: Schema.Types.ObjectId, ref: 'Source', dependsOn: { type: DependencyType.DIRECT } } as const;
      const schema = new Schema({ name: String, _id: {}, ...(of === 'with dependencies' && { source: ref }) });
      return connection.model('Job', taskQueue(schema, options));
    }

    beforeAll(async () => {
      monitor = await monitoredConnection(database.uri);
      Job = makeJob();
      Job.on('error', (error) => void told.push(error));
      await Job.pop();
      foreign = await foreignProgram(database.connection);
    });
    afterAll(() => foreign.close());

    const names = Array.from({ length: GOOD }, (_, n) => `${n}`).toSorted();
    const insert = (fields: object) =>
      foreign.insert('jobs', foreignBytes({ state: 'CREATED', name: 'bad', ...fields }));

    beforeEach(async () => {
      told = [];
      await nativeOf(Job).deleteMany({});
      await nativeOf(Job).insertMany(
        names.map((name) => ({
          _id: new Types.ObjectId(),
          name,
          state: 'CREATED',
          _task: { ...ready, availableAt: new Date(2_000) },
        })),
      );
      monitor.forget();
    });

    type Take = (task: { name?: string | null; finish(): Promise<unknown> }) => Promise<void>;
    const worker = (concurrency: number) => async (take: Take) => {
      const one = new Worker(Job, { concurrency, handler: (task) => take(task as never) });
      one.on('error', (error) => void told.push(error));
      const isIdle = new Promise((resolve) => void one.once('idle', () => resolve(null)));
      await one.start();
      await isIdle;
      await one.stop();
    };
    const consumers: Record<string, (take: Take, isOver: () => boolean) => Promise<void>> = {
      'pop()': async (take) => {
        for (let task = await Job.pop(); task; task = await Job.pop()) await take(task);
      },
      'popMany()': async (take) => {
        for (let tasks = await Job.popMany(7); tasks.length > 0; tasks = await Job.popMany(7))
          for (const task of tasks) await take(task);
      },
      'queue()': async (take, isOver) => {
        for await (const task of Job.queue({ pollMs: 5 })) {
          await take(task);
          if (isOver()) break;
        }
        await Job.pop();
      },
      'a worker of 1': worker(1),
      'a worker of 8': worker(8),
    };

    async function consume(consumer: string): Promise<string[]> {
      const taken: string[] = [];
      const take: Take = async (task) => {
        await task.finish();
        taken.push(task.name!);
      };
      await consumers[consumer]!(take, () => taken.length === GOOD);
      return taken.toSorted();
    }

    const bad = () => nativeOf(Job).findOne({ name: 'bad' }, { enableUtf8Validation: false, promoteValues: true });

    describe.each(Object.keys(consumers))('%s', (consumer) => {
      it.each(Object.keys(IDS).filter((what) => !what.includes('twice')))(
        'fails it with the reason, tells it once, and hands out the others: %s',
        async (what) => {
          expect(await insert({ _id: IDS[what], _task: ready })).toBe(true);

          expect(await consume(consumer)).toEqual(names);
          expect(await bad()).toMatchObject({
            state: 'FAILED',
            _task: { errors: [{ message: expect.stringContaining('another `_id`') as string, attempt: 1 }] },
          });
          expect(told).toMatchObject([{ name: 'TaskStateError', state: 'FAILED' }]);
          expect(monitor.all().length).toBeLessThan(MAX_COMMANDS);
          expect(await Job.isEmpty()).toBe(true);
        },
      );

      it('hands out the others behind many of them', async () => {
        for (let n = 0; n < 12; n++) await insert({ _id: { n, far: FAR_DATE }, _task: ready });

        expect(await consume(consumer)).toEqual(names);
        expect(await nativeOf(Job).countDocuments({ name: 'bad', state: 'FAILED' })).toBe(12);
        expect(told).toHaveLength(12);
      });

      it.each([
        { what: 'an empty list', task: [] },
        { what: 'a list', task: [{ availableAt: past }] },
        { what: 'a text', task: 'x' },
      ])('hands out the others where its bookkeeping is $what', async ({ task }) => {
        await insert({ _id: FAR_DATE, _task: task });

        expect(await consume(consumer)).toEqual(names);
        expect(await bad()).toMatchObject({ state: 'FAILED' });
        expect(monitor.all().length).toBeLessThan(MAX_COMMANDS);
      });

      it.each([{ task: [] }, { task: 'x' }])(
        'hands out the others where its bookkeeping is $task, and nobody can read it',
        async ({ task }) => {
          await insert({ _id: FAR_DATE, any: new mongo.BSONRegExp(NO_PATTERN, 'i'), _task: task });

          expect(await consume(consumer)).toEqual(names);
          expect(await nativeOf(Job).findOne({ name: 'bad' }, { projection: { _id: 0, state: 1 } })).toEqual({
            state: 'FAILED',
          });
          expect(monitor.all().length).toBeLessThan(MAX_COMMANDS);
        },
      );

      it('hands out the others where there is no room to claim it', async () => {
        const document = { _id: FAR_DATE, _task: ready, filler: '' };
        const size = mongo.BSON.calculateObjectSize({ ...document, state: 'CREATED', name: 'bad' });
        expect(await insert({ ...document, filler: 'x'.repeat(16_777_216 - size - 5) })).toBe(true);

        const taken: string[] = [];
        const take: Take = async (task) => {
          await task.finish();
          taken.push(task.name!);
        };
        // Nothing can be written to it, which is told when nothing else is there.
        await consumers[consumer]!(take, () => taken.length === GOOD).catch((error: unknown) => void told.push(error));

        expect(taken.toSorted()).toEqual(names);
        expect(monitor.all().length).toBeLessThan(MAX_COMMANDS);
      });
    });

    it('is left out by requeue(), which ends', async () => {
      for (const _id of Object.values(IDS)) await insert({ _id, state: 'FAILED', _task: ready });
      await nativeOf(Job).updateMany({ name: { $ne: 'bad' } }, { $set: { state: 'FAILED' } });

      const { requeued } = await Job.requeue({});

      expect(requeued).toBe(GOOD);
    });
  },
);
