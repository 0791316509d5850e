import { Schema, Types } from 'mongoose';
import { DependencyType, InvalidOptionError, pop, requeue, State, taskQueue } from 'mongoose-task-queue';
import { onArrival } from '../../lib/notify/arrivals';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { nativeOf, rawUpdate, stored } from '../support/raw';

describe('requeue', () => {
  const database = useDatabase();
  const makeJob = (connection = database.connection) =>
    connection.model('Job', taskQueue(new Schema({ n: Number, customer: Schema.Types.ObjectId }), { maxAttempts: 2 }));
  let Job: ReturnType<typeof makeJob>;

  beforeAll(() => {
    Job = makeJob();
  });

  beforeEach(() => Job.deleteMany());

  const fail = async (n: number, key?: string) => {
    const job = await Job.push({ n }, key === undefined ? {} : { key });
    return job.fail(new Error(`down ${n}`));
  };
  const live = async () =>
    (await nativeOf(Job).find({ state: 'CREATED' }).sort({ n: 1 }).toArray()).map(({ n }) => n as number);

  it('queues every failed task again, with attempts from 0', async () => {
    await Job.push([{ n: 1 }, { n: 2 }, { n: 3 }]);
    for (const job of await Job.popMany(3)) await job.fail(new Error('down'));
    await (await Job.push({ n: 4 })).finish();

    expect(await Job.requeue({})).toEqual({ requeued: 3, skipped: 0 });

    const jobs = await Job.popMany(10);
    expect(jobs.map(({ n, attempts, failures }) => [n, attempts, failures.length])).toEqual([
      [1, 1, 0],
      [2, 1, 0],
      [3, 1, 0],
    ]);
    expect(jobs.map(({ lease }) => lease!.fence)).toEqual([2, 2, 2]);
    await Promise.all(jobs.map((job) => job.finish()));
  });

  it('leaves of a task what `push()` would', async () => {
    const [pushed, requeued] = [await fail(1), await fail(2)];

    await (await Job.findById(pushed._id))!.push();
    await Job.requeue({});

    const names = async (_id: unknown) =>
      Object.keys((await stored(Job, _id))['_task'] as object).filter((name) => name !== 'token');
    expect((await names(requeued._id)).sort()).toEqual((await names(pushed._id)).sort());
  });

  it('takes those that match the filter, cast by the schema', async () => {
    const customer = new Types.ObjectId();
    for (const n of [1, 2, 3]) await fail(n);
    await Job.updateOne({ n: 2 }, { customer });

    expect(await Job.requeue({ customer: customer.toHexString() })).toEqual({ requeued: 1, skipped: 0 });
    expect(await Job.requeue({ $or: [{ n: 1 }, { n: 7 }] })).toEqual({ requeued: 1, skipped: 0 });
    expect(await live()).toEqual([1, 2]);
  });

  it('takes what the queue keeps of a task into the filter', async () => {
    for (const n of [1, 2]) await fail(n);
    await Job.collection.updateOne({ n: 1 }, { $set: { '_task.settledAt': new Date(0) } });

    expect(await Job.requeue({ '_task.settledAt': { $gte: new Date(1) } })).toEqual({ requeued: 1, skipped: 0 });
    expect(await live()).toEqual([2]);
  });

  it('touches no task of another state, also where the filter names it', async () => {
    await Job.push({ n: 1 });
    await Job.pop();

    expect(await Job.requeue({ state: State.RUNNING })).toEqual({ requeued: 0, skipped: 0 });
    expect(await Job.countDocuments({ state: State.RUNNING })).toBe(1);
  });

  it('lets them wait for `delayMs`', async () => {
    const job = await fail(1);
    const before = Date.now();

    await Job.requeue({}, { delayMs: 3_600_000 });

    expect(await Job.pop()).toBeNull();
    const { _task: task } = await stored(Job, job._id);
    expect(task.availableAt.getTime()).toBeGreaterThan(before + 3_500_000);
    expect(task.expiresFrom).toEqual(task.dueAt);
  });

  it('puts back `limit` at the most, and the others when it is called again', async () => {
    for (const n of [1, 2, 3]) await fail(n);
    for (const n of [4, 5]) await fail(n, `key ${n}`);

    expect(await Job.requeue({}, { limit: 2 })).toEqual({ requeued: 2, skipped: 0 });
    expect(await live()).toEqual([1, 2]);
    expect(await Job.requeue({}, { limit: 2 })).toEqual({ requeued: 2, skipped: 0 });
    expect(await live()).toEqual([1, 2, 3, 4]);
    expect(await Job.requeue({})).toEqual({ requeued: 1, skipped: 0 });
  });

  it('puts back many in batches', async () => {
    const failed = (n: number) => ({ n, state: 'FAILED', priority: 2, _task: n % 2 ? { key: `key ${n}` } : {} });
    await nativeOf(Job).insertMany(Array.from({ length: 2_400 }, (_, n) => failed(n)));

    expect(await Job.requeue({})).toEqual({ requeued: 2_400, skipped: 0 });
    expect(await Job.countDocuments({ state: State.CREATED })).toBe(2_400);
  });

  it('wakes idle queues, when the tasks are due', async () => {
    await fail(1);
    const arrived = jest.fn();
    const stop = onArrival(Job, arrived);

    await Job.requeue({});
    expect(arrived).toHaveBeenCalledTimes(1);
    await fail(2);
    arrived.mockClear();
    await Job.requeue({}, { delayMs: 50 });
    expect(arrived).not.toHaveBeenCalled();
    await eventually(() => expect(arrived).toHaveBeenCalled());
    stop();
  });

  describe('of tasks with a key', () => {
    it('puts back the one of several that failed last, and skips the others', async () => {
      for (const n of [1, 2, 3]) await fail(n, 'a');
      await fail(4, 'b');
      await fail(5);

      expect(await Job.requeue({})).toEqual({ requeued: 3, skipped: 2 });
      expect(await live()).toEqual([3, 4, 5]);
      expect(await Job.countDocuments({ state: State.FAILED })).toBe(2);
    });

    it.each(['CREATED', 'RUNNING'])('skips them while a %s one has it', async (state) => {
      for (const n of [1, 2]) await fail(n, 'a');
      await Job.push({ n: 3 }, { key: 'a' });
      if (state === 'RUNNING') await Job.pop();
      await fail(4);

      expect(await Job.requeue({})).toEqual({ requeued: 1, skipped: 2 });
      expect(await live()).toEqual(state === 'RUNNING' ? [4] : [3, 4]);
    });

    it('leaves one live task of each, and loses none, when several do it at once beside pushes', async () => {
      const other = makeJob(await openConnection(database.uri));
      const keys = ['a', 'b', 'c', 'd'];
      for (const key of keys) for (const n of [1, 2, 3]) await fail(n, key);
      for (let n = 0; n < 10; n++) await fail(100 + n);

      const results = await Promise.all([
        Job.requeue({}),
        other.requeue({}),
        ...keys.map((key) => other.push({ n: 50 }, { key })),
        Job.requeue({}),
      ]);

      const counts = results.flatMap((one) => ('requeued' in one ? [one] : []));
      const sum = counts.reduce((all, { requeued }) => all + requeued, 0);
      const raw = await nativeOf(Job).find({ state: 'CREATED' }).toArray();
      expect(raw.filter(({ n }) => n >= 100)).toHaveLength(10);
      expect(raw.flatMap(({ _task: task }) => (task.key as string | undefined) ?? []).sort()).toEqual(keys);
      expect(sum).toBe(raw.filter(({ n }) => n !== 50).length);
    });
  });

  it('is what a shell can do for tasks without keys', async () => {
    for (const n of [1, 2]) await fail(n);

    await nativeOf(Job).updateMany(
      { state: 'FAILED', '_task.key': { $exists: false } },
      { $set: { state: 'CREATED' } },
    );

    expect((await Job.popMany(5)).map(({ n, attempts }) => [n, attempts])).toEqual([
      [1, 1],
      [2, 1],
    ]);
  });

  describe('of one kind', () => {
    it('leaves those of others', async () => {
      const Base = database.connection.model(
        'Message',
        taskQueue(new Schema({ to: String }, { discriminatorKey: 'kind', timestamps: true }), {
          fields: { state: 'taskState' },
          bind: false,
        }),
      );
      const Email = Base.discriminator('Email', new Schema({ subject: String }));
      const Letter = Base.discriminator('Letter', new Schema({ pages: Number }));
      const old = new Date(0);
      await nativeOf(Base).insertMany(
        [Email, Letter].map(({ modelName: kind }) => ({ kind, subject: 'hello', taskState: 'FAILED', updatedAt: old })),
      );

      expect(await requeue(Email, { subject: 'hello' }, { limit: 5 })).toEqual({ requeued: 1, skipped: 0 });

      const raw = await nativeOf(Base).find().sort({ kind: 1 }).toArray();
      expect(raw.map(({ taskState }) => taskState as string)).toEqual(['CREATED', 'FAILED']);
      expect(raw[0]!['updatedAt'].getTime()).toBeGreaterThan(0);
      expect(await pop(Letter)).toBeNull();
      expect(await requeue(Base, {})).toEqual({ requeued: 1, skipped: 0 });
    });
  });

  describe('of tasks with dependencies', () => {
    const makeModels = () => {
      const Source = database.connection.model('Source', taskQueue(new Schema({ n: Number })));
      const schema = new Schema({ source: { type: Schema.Types.ObjectId, ref: 'Source' } });
      const dependencies = { source: { type: DependencyType.DIRECT, onFailed: 'fail' as const } };
      return { Source, Report: database.connection.model('Report', taskQueue(schema, { dependencies })) };
    };

    it('has what they wait for judged anew', async () => {
      const { Source, Report } = makeModels();
      const source = await Source.push({ n: 1 });
      const report = await Report.push({ source: source._id });
      await (await Source.pop())!.fail(new Error('down'));
      await eventually(async () => {
        expect(await Report.pop()).toBeNull();
        expect((await stored(Report, report._id))['state']).toBe('FAILED');
      });

      // Its source is still failed: so will it be, when the next pop looks.
      expect(await Report.requeue({})).toEqual({ requeued: 1, skipped: 0 });
      expect(await stored(Report, report._id)).not.toHaveProperty('_task.doomedBy');
      expect(await Report.pop()).toBeNull();
      expect((await stored(Report, report._id))['state']).toBe('FAILED');

      // With its source it comes back.
      await Source.requeue({});
      await Report.requeue({});
      expect(await Report.pop()).toBeNull();
      await (await Source.pop())!.finish();
      expect((await Report.pop())?.id).toBe(report.id);
    });
  });

  it('is safe while a failed task is pushed by its handle', async () => {
    const job = await fail(1);
    const handle = (await Job.findById(job._id))!;

    const [counts] = await Promise.all([Job.requeue({}), handle.push()]);

    expect(counts.requeued).toBeLessThanOrEqual(1);
    expect((await Job.popMany(5)).map(({ n }) => n)).toEqual([1]);
  });

  it('does not make a late holder of the failed task take it for its own', async () => {
    await Job.push({ n: 1 });
    const held = (await Job.pop())!;
    await rawUpdate(Job, held._id, { $set: { state: 'FAILED' } });

    await Job.requeue({});

    await expect(held.release()).rejects.toThrow('taken over');
    expect((await Job.pop())?.attempts).toBe(1);
  });

  describe('refuses', () => {
    beforeEach(() => fail(1));
    afterEach(async () => expect(await Job.countDocuments({ state: State.FAILED })).toBe(1));

    it.each<[string, unknown]>([
      ['no filter', undefined],
      ['null', null],
      ['a text', 'all'],
      ['a list', []],
      ['a path that the schema does not have', { custmer: null }],
      ['such a path within', { $or: [{ n: 1 }, { custmer: null }] }],
      ['a value of another type', { n: 'one' }],
      ['a condition without a value', { n: undefined }],
    ])('%s for a filter', async (_name, filter) => {
      await expect(Job.requeue(filter as Record<string, never>)).rejects.toThrow(InvalidOptionError);
    });

    it.each<[string, unknown]>([
      ['a delay below 0', { delayMs: -1 }],
      ['a limit of 0', { limit: 0 }],
      ['an option that there is not', { dealyMs: 5 }],
    ])('%s', async (_name, options) => {
      await expect(Job.requeue({}, options as object)).rejects.toThrow(InvalidOptionError);
    });
  });
});
