import fc from './support/property';
import { Schema, Types } from 'mongoose';
import { Priority, State, stats, taskQueue } from '../lib';
import { expectBetween } from './support/between';
import { useDatabase } from './support/database';
import { endLease, nativeOf } from './support/raw';

const NOTHING = {
  created: 0,
  running: 0,
  ready: 0,
  delayed: 0,
  blocked: 0,
  failed: 0,
  cancelled: 0,
  oldestReadyAgeMs: null,
  paused: false,
  finishedLastHour: 0,
  failedLastHour: 0,
};

describe('stats', () => {
  const database = useDatabase();
  const emailModel = () =>
    database.connection.model('Email', taskQueue(new Schema({ to: String }, { autoCreate: false, autoIndex: false })));
  let Email: ReturnType<typeof emailModel>;

  beforeAll(() => {
    Email = emailModel();
  });
  beforeEach(() => nativeOf(Email).deleteMany({}));

  const ago = (ms: number) => new Date(Date.now() - ms);

  /** The figures that are not as in an empty collection; the age is another matter. */
  async function figures(): Promise<object> {
    const { oldestReadyAgeMs: _, ...counts } = await Email.stats();
    return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0 && count !== false));
  }

  it('is all zero of a collection that does not exist', async () => {
    await Email.createCollection();
    await Email.collection.drop();

    expect(await Email.stats()).toEqual(NOTHING);
  });

  it('is all zero of an empty collection', async () => {
    expect(await Email.stats()).toEqual(NOTHING);
  });

  it('leaves out what was never pushed', async () => {
    await Email.create({ to: 'saved' });
    await nativeOf(Email).insertOne({ to: 'there before the plugin' });

    expect(await Email.stats()).toEqual(NOTHING);
  });

  it('tells ready tasks from delayed ones', async () => {
    await Email.push([{ to: 'ada' }, { to: 'bob', priority: Priority.LOW }]);
    await Email.push({ to: 'eve' }, { delayMs: 60_000 });

    expect(await figures()).toEqual({ created: 3, ready: 2, delayed: 1 });
  });

  it('counts a task that waits for its retry as delayed', async () => {
    await Email.push({ to: 'ada' });
    await (await Email.pop())!.retry({ delayMs: 60_000 });

    expect(await figures()).toEqual({ created: 1, delayed: 1 });
  });

  it('counts a task that was put back as ready', async () => {
    await Email.push({ to: 'ada' });
    await (await Email.pop())!.release();

    expect(await figures()).toEqual({ created: 1, ready: 1 });
  });

  it('counts tasks that wait for other documents as blocked, whatever their time', async () => {
    for (const availableAt of [ago(1_000), new Date('9999-12-31T00:00:00Z')]) {
      await nativeOf(Email).insertOne({
        state: State.CREATED,
        _task: { availableAt, waitingOn: [new Types.ObjectId()] },
      });
    }

    expect(await figures()).toEqual({ created: 2, blocked: 2 });
  });

  it('counts a held task as running, also after its lease has ended', async () => {
    await Email.push([{ to: 'ada' }, { to: 'bob' }]);
    await Email.pop();
    await endLease(Email, (await Email.pop())!._id);

    expect(await figures()).toEqual({ running: 2 });
    expect(await Email.isEmpty()).toBe(false);
  });

  it('counts what was settled by its outcome', async () => {
    await Email.push([{ to: 'ada' }, { to: 'bob' }, { to: 'eve' }]);
    await (await Email.pop())!.finish();
    await (await Email.pop())!.fail(new Error('no'));
    await (await Email.pop())!.fail();

    expect(await figures()).toEqual({ failed: 2 });
  });

  it('counts tasks that another program wrote', async () => {
    await nativeOf(Email).insertMany([
      { state: State.CREATED },
      { state: State.CREATED, priority: 5, _task: {} },
      { state: State.CREATED, _task: null },
      { state: State.RUNNING },
      { state: State.FINISHED },
      { state: State.FAILED },
      { state: State.PENDING },
      { state: 'another' },
      { state: null },
    ]);

    expect(await figures()).toEqual({ created: 3, ready: 3, running: 1, failed: 1 });
    expect(await Email.popMany(10)).toHaveLength(4);
  });

  it('counts a failed task that was put back by hand as ready', async () => {
    await Email.push({ to: 'ada' });
    await (await Email.pop())!.fail('no');
    await nativeOf(Email).updateMany({ state: State.FAILED }, { $set: { state: State.CREATED } });

    expect(await figures()).toEqual({ created: 1, ready: 1 });
  });

  it('agrees with what can be popped, whatever is in the collection', async () => {
    const time = fc.constantFrom(undefined, -60_000, -1, 60_000);
    const task = fc.record({ state: fc.constantFrom(...Object.values(State), 'another'), time });

    await fc.assert(
      fc.asyncProperty(fc.array(task, { maxLength: 30 }), async (tasks) => {
        await nativeOf(Email).deleteMany({});
        const stored = tasks.map(({ state, time: at }) => ({
          state,
          ...(at !== undefined && { _task: { availableAt: new Date(Date.now() + at) } }),
        }));
        if (stored.length > 0) await nativeOf(Email).insertMany(stored);

        const { created, ready, delayed, blocked, running, failed, cancelled } = await Email.stats();
        const popped = await Email.popMany(100);

        const ended = tasks.filter(({ state, time: at }) => state === State.RUNNING && (at ?? -1) < 0).length;
        expect(popped).toHaveLength(ready + ended);
        expect(ready + delayed + blocked).toBe(created);
        const live = [State.CREATED, State.RUNNING, State.FAILED, State.CANCELLED].map(
          (wanted) => tasks.filter(({ state }) => state === wanted).length,
        );
        expect([created, running, failed, cancelled]).toEqual(live);
      }),
      { numRuns: 30 },
    );
  });

  describe('the age of the oldest ready task', () => {
    it('is counted from when it became ready', async () => {
      const before = Date.now();
      for (const ms of [1_000, 3_600_000, 60_000]) {
        await nativeOf(Email).insertOne({ state: State.CREATED, _task: { availableAt: ago(ms) } });
      }

      const { oldestReadyAgeMs } = await Email.stats();

      expectBetween(oldestReadyAgeMs!, 3_600_000, 3_600_000 + Date.now() - before);
    });

    it('is close to zero right after a push', async () => {
      const before = Date.now();
      await Email.push({ to: 'ada' });

      const { oldestReadyAgeMs } = await Email.stats();

      expect(oldestReadyAgeMs).toBeGreaterThanOrEqual(0);
      expectBetween(oldestReadyAgeMs!, 0, Date.now() - before);
    });

    it('is null when none is ready', async () => {
      const waitingOn = [new Types.ObjectId()];
      await nativeOf(Email).insertMany([
        { state: State.CREATED, _task: { availableAt: ago(-60_000) } },
        { state: State.CREATED, _task: { availableAt: ago(60_000), waitingOn } },
        { state: State.RUNNING, _task: { availableAt: ago(60_000) } },
        { state: State.FINISHED, _task: { availableAt: ago(60_000) } },
      ]);

      expect(await Email.stats()).toMatchObject({ ready: 0, oldestReadyAgeMs: null });
    });

    it('leaves out tasks of which nobody wrote when they became ready', async () => {
      await nativeOf(Email).insertOne({ state: State.CREATED });
      expect(await Email.stats()).toMatchObject({ ready: 1, oldestReadyAgeMs: null });

      await nativeOf(Email).insertOne({ state: State.CREATED, _task: { availableAt: ago(60_000) } });
      const { oldestReadyAgeMs } = await Email.stats();

      expect(oldestReadyAgeMs).toBeGreaterThanOrEqual(60_000);
    });
  });

  it('of a kind counts its tasks, and of the base those of all kinds', async () => {
    const Base = database.connection.model('Message', taskQueue(new Schema({ to: String })));
    const Letter = Base.discriminator('Letter', new Schema({ stamp: String }));
    const Parcel = Base.discriminator('Parcel', new Schema({ weight: Number }));
    await nativeOf(Base).insertMany([
      { state: State.FINISHED },
      { state: State.CANCELLED, __t: 'Letter' },
      { state: State.FAILED, __t: 'Parcel' },
      { state: State.RUNNING, __t: 'Parcel' },
      { state: State.CREATED, __t: 'Letter', _task: { availableAt: ago(60_000) } },
      { state: State.CREATED, __t: 'Letter', _task: { availableAt: ago(-60_000) } },
      { state: State.CREATED, __t: 'Parcel', _task: { availableAt: ago(3_600_000) } },
    ]);

    const [all, letters, parcels] = await Promise.all([Base, Letter, Parcel].map((model) => stats(model)));

    expect(all).toMatchObject({ created: 3, ready: 2, delayed: 1, running: 1, failed: 1, cancelled: 1 });
    expect(letters).toMatchObject({ created: 2, ready: 1, delayed: 1, running: 0, failed: 0, cancelled: 1 });
    expect(parcels).toMatchObject({ created: 1, ready: 1, delayed: 0, running: 1, failed: 1, cancelled: 0 });
    expect(letters!.oldestReadyAgeMs).toBeLessThan(3_600_000);
  });

  it('follows the name of the state', async () => {
    const Job = database.connection.model(
      'Job',
      taskQueue(new Schema({ state: Number }), { fields: { state: 'phase' } }),
    );
    await nativeOf(Job).insertMany([
      { phase: State.CREATED, state: 1 },
      { phase: State.FAILED },
      { state: State.FAILED },
    ]);

    expect(await Job.stats()).toMatchObject({ created: 1, ready: 1, failed: 1, cancelled: 0 });
  });

  it('reads no finished task, and failed ones by their index alone', async () => {
    await Email.ensureTaskIndexes();
    await nativeOf(Email).insertMany([
      ...Array.from({ length: 500 }, () => ({ state: State.FINISHED, _task: { settledAt: ago(1) } })),
      ...Array.from({ length: 20 }, () => ({ state: State.FAILED, _task: { settledAt: ago(1) } })),
      ...Array.from({ length: 10 }, () => ({ state: State.CREATED, _task: { availableAt: ago(1) } })),
    ]);
    const { db } = database.connection;
    await db!.command({ profile: 2 });
    await Email.stats();
    await db!.command({ profile: 0 });
    const ns = `${db!.databaseName}.${Email.collection.name}`;
    const seen = await db!.collection('system.profile').find({ ns, op: 'command' }).toArray();

    const examined = seen.map(({ docsExamined, keysExamined }) => [docsExamined ?? 0, keysExamined ?? 0] as number[]);
    expect(examined.length).toBeGreaterThanOrEqual(3);
    for (const [documents, keys] of examined) {
      expect(documents).toBeLessThanOrEqual(10);
      expect(keys).toBeLessThanOrEqual(22);
    }
  });

  it('says whether the queue is paused', async () => {
    await Email.pause();
    expect(await Email.stats()).toMatchObject({ paused: true });
    await Email.resume();
    expect(await Email.stats()).toMatchObject({ paused: false });
  });

  it('lists the newest failed ones by the same index, without sorting', async () => {
    // By one reading of the clock: with one for each, two of them could have the same time.
    const now = Date.now();
    const before = (n: number) => new Date(now - n);
    await nativeOf(Email).insertMany([
      ...Array.from({ length: 200 }, (_, n) => ({
        to: String(n),
        state: State.FAILED,
        _task: { settledAt: before(n) },
      })),
      ...Array.from({ length: 200 }, (_, n) => ({ state: State.FINISHED, _task: { settledAt: before(n) } })),
    ]);
    const newest = Email.find({ state: State.FAILED }).sort({ '_task.settledAt': -1 }).limit(50);
    const plan = JSON.stringify(await newest.clone().explain('executionStats'));

    expect((await newest).map(({ to }) => to)).toEqual(Array.from({ length: 50 }, (_, n) => String(n)));
    expect(plan).toContain('"indexName":"task_ended"');
    expect(plan).not.toContain('"stage":"SORT"');
    expect(plan).toContain('"totalKeysExamined":50');
  });
});
