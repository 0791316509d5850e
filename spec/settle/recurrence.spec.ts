import { mongo, Schema } from 'mongoose';
import { constant, InvalidOptionError, LeaseLostError, State, taskQueue } from 'mongoose-task-queue';
import { startProgram } from '../support/child';
import { monitoredConnection, type MonitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { deferred } from '../support/deferred';
import { eventually } from '../support/eventually';
import { afterNext } from '../support/interleave';
import { endLease, nativeOf, rawUpdate, stored } from '../support/raw';
import { makeWorker, nextEvent } from '../support/worker';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const key = 'nightly';

describe('a recurring task', () => {
  const database = useDatabase('replicaSet');
  let monitored: MonitoredConnection;
  const make = () =>
    monitored.connection.model(
      'Report',
      taskQueue(new Schema({ pages: Number }), { maxAttempts: 2, backoff: constant(0) }),
    );
  let Report: ReturnType<typeof make>;
  type Report = InstanceType<typeof Report>;

  beforeAll(async () => {
    monitored = await monitoredConnection(database.uri);
    Report = make();
    await Report.ensureTaskIndexes();
  });
  beforeEach(() => nativeOf(Report).deleteMany({}));
  afterEach(() => jest.restoreAllMocks());

  async function popped(): Promise<Report> {
    const task = await Report.pop();
    if (!task) throw new Error('Nothing is ready.');
    return task;
  }

  const task = async ({ _id }: { _id: unknown }) => (await stored(Report, _id))['_task'] as mongo.Document;

  /** Makes its slot one of a while ago, as if nobody had worked meanwhile. */
  async function moveSlot(report: Report, dueAt: Date): Promise<void> {
    await rawUpdate(Report, report._id, { $set: { '_task.dueAt': dueAt, '_task.availableAt': dueAt } });
  }

  describe('that is pushed', () => {
    it('with an interval runs at once', async () => {
      const { id } = await Report.push({ pages: 1 }, { every: MINUTE, key });

      expect((await popped()).id).toBe(id);
    });

    it('with an interval and a delay runs first after the delay', async () => {
      const report = await Report.push({ pages: 1 }, { every: MINUTE, delayMs: HOUR, key });

      expect(await Report.pop()).toBeNull();
      expect((await task(report))['dueAt'].getTime()).toBeGreaterThan(Date.now() + HOUR - MINUTE);
    });

    it('with a pattern runs at its next time', async () => {
      const report = await Report.push({ pages: 1 }, { cron: '30 2 * * *', timeZone: 'Asia/Kathmandu', key });

      expect(await Report.pop()).toBeNull();
      // 02:30 in Kathmandu is 20:45 the day before.
      expect((await task(report))['dueAt'].toISOString()).toMatch(/T20:45:00.000Z$/);
    });

    it.each([[{ every: MINUTE }], [{ cron: '* * * * *' }]])('needs a key: %p', async (options) => {
      const push = Report.push({ pages: 1 }, options);

      await expect(push).rejects.toBeInstanceOf(InvalidOptionError);
      await expect(push).rejects.toThrow('`key`');
      expect(await nativeOf(Report).countDocuments()).toBe(0);
    });

    it('again is the same task, and is not touched', async () => {
      const first = await Report.push({ pages: 1 }, { every: MINUTE, key });
      const before = await stored(Report, first._id);

      const again = await Report.push({ pages: 2 }, { every: MINUTE, key });

      expect(again.id).toBe(first.id);
      expect(await stored(Report, first._id)).toEqual(before);
      expect(await nativeOf(Report).countDocuments()).toBe(1);
    });

    it('by many programs at once is one task', async () => {
      const pushes = Array.from({ length: 20 }, () => Report.push({ pages: 1 }, { every: MINUTE, key }));

      const ids = (await Promise.all(pushes)).map(({ id }) => id as string);

      expect(new Set(ids).size).toBe(1);
    });

    it('has no expiry', async () => {
      const report = await Report.push({ pages: 1 }, { every: MINUTE, key });
      expect(await task(report)).not.toHaveProperty('expiresFrom');

      await (await popped()).finish();

      expect(await task(report)).not.toHaveProperty('expiresFrom');
    });
  });

  describe('whose stored document is pushed to another time', () => {
    const moves: [how: string, options: () => { delayMs: number } | { runAt: Date }][] = [
      ['at once', () => ({ delayMs: 0 })],
      ['with a delay', () => ({ delayMs: 10 * MINUTE })],
      ['by a date', () => ({ runAt: new Date(Date.now() + 10 * MINUTE) })],
    ];
    const finds: [what: string, find: () => Promise<Report>][] = [
      ['was read', async () => (await Report.findOne())!],
      [
        'was read without its bookkeeping',
        async () => (await Report.findOne().select('pages state')) as unknown as Report,
      ],
    ];

    it.each(moves.flatMap((move) => finds.map((find) => [...move, ...find] as const)))(
      '%s keeps recurring and has no expiry, where it %3$s',
      async (_how, options, _what, find) => {
        await Report.push({ pages: 1 }, { every: HOUR, delayMs: HOUR, key });

        const report = await (await find()).push(options());

        expect(await task(report)).toMatchObject({ schedule: { every: HOUR } });
        expect(await task(report)).not.toHaveProperty('expiresFrom');
        expect((await task(report))['dueAt'].getTime()).toBeLessThan(Date.now() + 11 * MINUTE);
      },
    );

    it('expires like any other once it was unscheduled by somebody else', async () => {
      await Report.push({ pages: 1 }, { key, delayMs: HOUR });
      const report = (await Report.findOne())!;
      await rawUpdate(Report, report._id, { $set: { '_task.schedule': { every: HOUR } } });
      const late = (await Report.findOne())!;
      await rawUpdate(Report, report._id, { $unset: { '_task.schedule': true } });

      await late.push({ delayMs: MINUTE });

      expect((await task(report))['expiresFrom']).toEqual((await task(report))['dueAt']);
    });
  });

  describe('with a schedule of another program that is none', () => {
    const wrong: unknown[] = [
      { every: 'x' },
      { every: 0 },
      { every: -5 },
      { every: Number.NaN },
      { every: null },
      { cron: 'every day', timeZone: 'UTC' },
      { cron: '* * * * *' },
      { cron: '* * * * *', timeZone: 'Europe/Atlantis' },
      {},
      'daily',
      5,
      true,
      [{ every: MINUTE }],
      /x/,
      new Date(),
    ];

    it.each(wrong.map((schedule) => [schedule]))('%p counts as none', async (schedule) => {
      const ends = [
        (run: Report) => run.finish(),
        (run: Report) => run.set('pages', 7).finish(),
        (run: Report) => run.fail(new Error('no')),
      ];
      for (const end of ends) {
        const report = await Report.push({ pages: 1 });
        await rawUpdate(Report, report._id, { $set: { '_task.schedule': schedule } });
        const run = await popped();

        await end(run);

        expect((await stored(Report, report._id))['state']).toBe(run.state);
        expect([State.FINISHED, State.FAILED]).toContain(run.state);
      }
      expect(await Report.pop()).toBeNull();
    });

    it.each(wrong.map((schedule) => [schedule]))('%p keeps nobody from a retry or another time', async (schedule) => {
      const report = await Report.push({ pages: 1 });
      await rawUpdate(Report, report._id, { $set: { '_task.schedule': schedule } });

      await (await popped()).retry({ delayMs: HOUR });
      await (await Report.findById(report._id))!.push({ delayMs: 2 * HOUR });

      const { dueAt, expiresFrom } = await task(report);
      expect((dueAt as Date).getTime()).toBeGreaterThan(Date.now() + HOUR);
      expect(expiresFrom).toEqual(dueAt);
    });
  });

  describe('whose run ends', () => {
    it('is due again one interval after it was due, in the same write', async () => {
      const report = await Report.push({ pages: 1 }, { every: MINUTE, key });
      const { dueAt } = await task(report);
      const run = await popped();
      monitored.forget();

      await run.finish();

      expect(monitored.all().map(({ name }) => name)).toEqual(['update']);
      const next = new Date((dueAt as Date).getTime() + MINUTE);
      expect(await stored(Report, report._id)).toMatchObject({
        state: State.CREATED,
        _task: { dueAt: next, availableAt: next, lastRun: { state: State.FINISHED, slot: dueAt } },
      });
      expect(await task(report)).not.toHaveProperty('attempts');
    });

    it('has its changes saved in that write as well', async () => {
      const report = await Report.push({ pages: 1 }, { every: MINUTE, key });
      const run = await popped();
      run.pages = 7;
      monitored.forget();

      await run.finish();

      expect(monitored.all().map(({ name }) => name)).toEqual(['update']);
      expect(await stored(Report, report._id)).toMatchObject({ state: State.CREATED, pages: 7 });
    });

    it('can be popped by the handle of the run no more', async () => {
      await Report.push({ pages: 1 }, { every: MINUTE, key });
      const run = await popped();
      await run.finish();

      expect([run.state, run.lease, await Report.pop()]).toEqual([State.CREATED, null, null]);
    });

    it('leaves out the slots that have passed, and keeps to its times', async () => {
      const report = await Report.push({ pages: 1 }, { every: MINUTE, key });
      const dueAt = new Date(Date.now() - 24 * HOUR - MINUTE / 2);
      await moveSlot(report, dueAt);

      await (await popped()).finish();

      const next = (await task(report))['dueAt'].getTime() as number;
      expect((next - dueAt.getTime()) % MINUTE).toBe(0);
      expect(next - Date.now()).toBeGreaterThan(0);
      expect(next - Date.now()).toBeLessThanOrEqual(MINUTE);
      expect(await Report.pop()).toBeNull();
    });

    it('by failing gives up its slot, keeps the error, and comes again', async () => {
      const report = await Report.push({ pages: 1 }, { every: MINUTE, key });
      const { dueAt } = await task(report);

      await (await popped()).fail(new Error('no paper'));

      expect(await stored(Report, report._id)).toMatchObject({
        state: State.CREATED,
        _task: {
          dueAt: new Date((dueAt as Date).getTime() + MINUTE),
          lastRun: { state: State.FAILED },
          errors: [{ message: 'no paper' }],
        },
      });
    });

    it('in a transaction is due again only when that is committed', async () => {
      const report = await Report.push({ pages: 1 }, { every: MINUTE, key });
      const run = await popped();
      const failing = monitored.connection.transaction(async (session) => {
        await run.finish({ session });
        throw new Error('rolled back');
      });
      await expect(failing).rejects.toThrow('rolled back');
      expect(await stored(Report, report._id)).toMatchObject({ state: State.RUNNING });

      await monitored.connection.transaction((session) => run.finish({ session }));

      expect(await stored(Report, report._id)).toMatchObject({ state: State.CREATED, _task: { lastRun: {} } });
    });

    it('is sent on once when the answer to its end is lost', async () => {
      const report = await Report.push({ pages: 1 }, { every: MINUTE, key });
      const { dueAt } = await task(report);
      const run = await popped();
      loseAnswer();

      await run.finish();

      expect(await task(report)).toMatchObject({ dueAt: new Date((dueAt as Date).getTime() + MINUTE) });
    });

    it('after its lease was lost changes nothing', async () => {
      const report = await Report.push({ pages: 1 }, { every: MINUTE, key });
      const late = await popped();
      await endLease(Report, report._id);
      const next = await popped();

      await expect(late.finish()).rejects.toBeInstanceOf(LeaseLostError);

      expect((await stored(Report, report._id))['state']).toBe(State.RUNNING);
      await next.finish();
    });
  });

  describe('that is tried again', () => {
    it('stays in its slot: the next one is counted from when the first attempt was due', async () => {
      const report = await Report.push({ pages: 1 }, { every: HOUR, key });
      const dueAt = new Date(Date.now() - 10 * MINUTE);
      await moveSlot(report, dueAt);
      await (await popped()).retry({ delayMs: 0, error: new Error('again') });

      await (await popped()).finish();

      expect(await task(report)).toMatchObject({
        dueAt: new Date(dueAt.getTime() + HOUR),
        lastRun: { slot: dueAt, state: State.FINISHED },
      });
      expect(await task(report)).not.toHaveProperty('slot');
    });

    it('too often gives up its slot', async () => {
      const report = await Report.push({ pages: 1 }, { every: HOUR, key });
      const { dueAt } = await task(report);
      await (await popped()).retry({ error: new Error('one') });
      await (await popped()).retry({ error: new Error('two') });

      expect(await stored(Report, report._id)).toMatchObject({
        state: State.CREATED,
        _task: {
          dueAt: new Date((dueAt as Date).getTime() + HOUR),
          lastRun: { state: State.FAILED, slot: dueAt },
          errors: [{ message: 'one' }, { message: 'two' }],
        },
      });
      expect(await Report.pop()).toBeNull();
    });

    it('after a crash is the same run', async () => {
      const report = await Report.push({ pages: 1 }, { every: HOUR, key });
      const { dueAt } = await task(report);
      await popped();
      await endLease(Report, report._id);

      const again = await popped();

      expect([again.id, again.attempts]).toEqual([report.id, 2]);
      await again.finish();
      expect(await task(report)).toMatchObject({ lastRun: { slot: dueAt } });
    });

    it('after crashes that used its attempts comes again at its next slot', async () => {
      const report = await Report.push({ pages: 1 }, { every: HOUR, key });
      const { dueAt } = await task(report);
      for (let attempt = 1; attempt <= 2; attempt++) {
        await popped();
        await endLease(Report, report._id);
      }

      expect(await Report.pop()).toBeNull();

      expect(await stored(Report, report._id)).toMatchObject({
        state: State.CREATED,
        _task: {
          dueAt: new Date((dueAt as Date).getTime() + HOUR),
          lastRun: { state: State.FAILED, slot: dueAt },
          errors: [{ message: expect.stringContaining('lease') as unknown, attempt: 2 }],
        },
      });
      await moveSlot(report, new Date());
      expect((await popped()).attempts).toBe(1);
    });
  });

  it('that fails with its dependency recurs again once that is no longer FAILED', async () => {
    const { connection } = monitored;
    const Source = connection.model('Source', taskQueue(new Schema({ path: String })));
    const source = { type: Schema.Types.ObjectId, ref: 'Source' };
    const Summary = connection.model(
      'Summary',
      taskQueue(new Schema({ source }), { dependencies: { source: { type: 'DIRECT', onFailed: 'fail' } } }),
    );
    const needed = await Source.push({ path: '/' });
    const summary = await Summary.push({ source: needed._id }, { every: MINUTE, key });
    await needed.fail();
    expect(await Summary.pop()).toBeNull();
    expect((await stored(Summary, summary._id))['state']).toBe(State.FAILED);

    await (await needed.push()).finish();
    await (await Summary.pop())!.finish();

    expect(await stored(Summary, summary._id)).toMatchObject({
      state: State.CREATED,
      _task: { schedule: { every: MINUTE }, lastRun: { state: State.FINISHED } },
    });
  });

  describe('whose schedule is pushed with a change', () => {
    it('is due by the new one', async () => {
      await Report.push({ pages: 1 }, { every: HOUR, delayMs: HOUR, key });

      const report = await Report.push({ pages: 1 }, { cron: '0 3 * * *', timeZone: 'UTC', key });

      expect(await task(report)).toMatchObject({ schedule: { cron: '0 3 * * *', timeZone: 'UTC' } });
      expect((await task(report))['dueAt'].toISOString()).toMatch(/T03:00:00.000Z$/);
      expect((await task(report))['availableAt']).toEqual((await task(report))['dueAt']);
    });

    it('during a run goes on by the new one', async () => {
      const report = await Report.push({ pages: 1 }, { every: 24 * HOUR, key });
      const { dueAt } = await task(report);
      const run = await popped();
      await Report.push({ pages: 1 }, { every: HOUR, key });
      expect((await stored(Report, report._id))['state']).toBe(State.RUNNING);

      await run.finish();

      expect(await stored(Report, report._id)).toMatchObject({
        state: State.CREATED,
        _task: { schedule: { every: HOUR }, dueAt: new Date((dueAt as Date).getTime() + HOUR) },
      });
    });

    it('while it waits for a retry keeps that time, and goes on by the new one', async () => {
      const report = await Report.push({ pages: 1 }, { every: 24 * HOUR, key });
      const { dueAt: slot } = await task(report);
      await (await popped()).retry({ delayMs: 20 });
      const { dueAt } = await task(report);
      await Report.push({ pages: 1 }, { every: HOUR, key });
      expect((await task(report))['dueAt']).toEqual(dueAt);

      const again = await eventually(popped);
      await again.finish();

      expect((await task(report))['dueAt']).toEqual(new Date((slot as Date).getTime() + HOUR));
    });

    it('becomes recurring where the task with its key was not', async () => {
      const once = await Report.push({ pages: 1 }, { key, delayMs: HOUR });

      await Report.push({ pages: 1 }, { every: MINUTE, key });

      expect(await task(once)).toMatchObject({ schedule: { every: MINUTE } });
      expect(await task(once)).not.toHaveProperty('expiresFrom');
      await (await popped()).finish();
      expect((await stored(Report, once._id))['state']).toBe(State.CREATED);
    });

    describe('while a task of its key runs that did not recur', () => {
      const ends: [how: string, end: (run: Report) => Promise<unknown>, last: State][] = [
        ['finish()', (run) => run.finish(), State.FINISHED],
        ['finish() with changes', (run) => run.set('pages', 7).finish(), State.FINISHED],
        ['fail()', (run) => run.fail(new Error('no')), State.FAILED],
        ['the last retry()', (run) => run.retry({ error: new Error('no') }), State.FAILED],
        [
          'finish() in a transaction',
          (run) => monitored.connection.transaction((session) => run.finish({ session })),
          State.FINISHED,
        ],
      ];

      it.each(ends)('goes on by it after %s', async (how, end, state) => {
        const once = await Report.push({ pages: 1 }, { key });
        const { dueAt } = await task(once);
        if (how.includes('last')) await (await popped()).retry({ delayMs: 0 });
        const run = await popped();
        await Report.push({ pages: 1 }, { every: HOUR, key });

        await end(run);

        expect([run.state, run.lease]).toEqual([State.CREATED, null]);
        expect(await stored(Report, once._id)).toMatchObject({
          state: State.CREATED,
          pages: how.includes('changes') ? 7 : 1,
          _task: { schedule: { every: HOUR }, lastRun: { state } },
        });
        if (!how.includes('last')) expect((await task(once))['dueAt'].getTime()).toBe(Number(dueAt) + HOUR);
        expect(await task(once)).not.toHaveProperty('expiresFrom');
      });

      it('goes on by it after a retry, in the slot of the run, and does not expire', async () => {
        const once = await Report.push({ pages: 1 }, { key });
        const { dueAt: slot } = await task(once);
        const run = await popped();
        await Report.push({ pages: 1 }, { every: HOUR, key });

        await run.retry({ delayMs: 0 });
        expect(await task(once)).toMatchObject({ slot });
        expect(await task(once)).not.toHaveProperty('expiresFrom');
        await (await popped()).finish();

        expect(await task(once)).toMatchObject({ dueAt: new Date(Number(slot) + HOUR) });
      });

      it('goes on by it after a crash that used its attempts', async () => {
        const once = await Report.push({ pages: 1 }, { key });
        for (let attempt = 1; attempt <= 2; attempt++) {
          await popped();
          await Report.push({ pages: 1 }, { every: HOUR, key });
          await endLease(Report, once._id);
        }

        expect(await Report.pop()).toBeNull();

        expect(await stored(Report, once._id)).toMatchObject({
          state: State.CREATED,
          _task: { schedule: { every: HOUR }, lastRun: { state: State.FAILED } },
        });
      });

      it('goes on by it where a worker ends many of them together', async () => {
        const keys = Array.from({ length: 40 }, (_, index) => `report-${index}`);
        const recurring = keys.filter((_, index) => index % 2 === 0);
        for (const name of keys) await Report.push({ pages: 1 }, { key: name });
        const everyoneRuns = deferred();
        let running = 0;
        const worker = makeWorker(Report, {
          concurrency: keys.length,
          handler: () => (++running === keys.length && everyoneRuns.resolve(), scheduled.promise),
        });
        const scheduled = deferred();
        await worker.start();
        await everyoneRuns.promise;
        await Promise.all(recurring.map((name) => Report.push({ pages: 1 }, { every: HOUR, key: name })));

        scheduled.resolve();

        await eventually(async () => {
          const counts = [State.CREATED, State.FINISHED].map((state) => Report.countDocuments({ state }));
          expect(await Promise.all(counts)).toEqual([20, 20]);
        });
        await worker.stop();
      });

      it('costs no command more where nobody pushed one', async () => {
        await Report.push({ pages: 1 }, { key });
        const run = await popped();
        monitored.forget();

        await run.finish();

        expect(monitored.all().map(({ name }) => name)).toEqual(['update']);
      });

      it('is pushed anew where that task ends before it can be told', async () => {
        const once = await Report.push({ pages: 1 }, { key });
        const run = await popped();
        const ended = afterNext(
          Report,
          'find',
          () => run.finish(),
          (filter) => '_task.key' in filter,
        );

        const report = await Report.push({ pages: 1 }, { every: HOUR, key });

        expect(ended.happened).toBe(true);
        expect(report.id).not.toBe(once.id);
        expect(await stored(Report, report._id)).toMatchObject({
          state: State.CREATED,
          _task: { schedule: { every: HOUR } },
        });
      });
    });

    it('keeps it where the task is pushed without one', async () => {
      await Report.push({ pages: 1 }, { every: MINUTE, key });

      const report = await Report.push({ pages: 1 }, { key });

      expect(await task(report)).toMatchObject({ schedule: { every: MINUTE } });
    });
  });

  describe('that is unscheduled', () => {
    it('by its holder makes the run under way the last', async () => {
      const report = await Report.push({ pages: 1 }, { every: MINUTE, key });
      const run = await popped();

      await run.unschedule();
      expect([run.state, (await stored(Report, report._id))['state']]).toEqual([State.RUNNING, State.RUNNING]);
      await run.finish();

      expect(await stored(Report, report._id)).toMatchObject({ state: State.FINISHED });
      expect(await task(report)).not.toHaveProperty('schedule');
      expect(await task(report)).toHaveProperty('expiresFrom');
    });

    it('while somebody else runs it makes that run the last', async () => {
      const report = await Report.push({ pages: 1 }, { every: MINUTE, key });
      const run = await popped();
      const found = await Report.findOne({ '_task.key': key });

      await found!.unschedule();
      await run.fail(new Error('no'));

      expect([run.state, (await stored(Report, report._id))['state']]).toEqual([State.FAILED, State.FAILED]);
    });

    it('while it waits does not run again', async () => {
      const report = await Report.push({ pages: 1 }, { every: MINUTE, key });

      await report.unschedule();

      expect([report.state, await Report.pop()]).toEqual([State.FINISHED, null]);
      expect(await stored(Report, report._id)).toMatchObject({
        state: State.FINISHED,
        _task: { settledAt: expect.any(Date) as unknown, expiresFrom: expect.any(Date) as unknown },
      });
    });

    it('while it waits for a retry does not run again', async () => {
      const report = await Report.push({ pages: 1 }, { every: MINUTE, key });
      await (await popped()).retry({ delayMs: 0 });

      await report.unschedule();

      expect([report.state, await Report.pop()]).toEqual([State.FINISHED, null]);
    });

    it('during a run that is tried again ends with that run', async () => {
      const report = await Report.push({ pages: 1 }, { every: MINUTE, key });
      const run = await popped();
      await run.unschedule();
      await run.retry({ delayMs: 0 });

      await (await popped()).finish();

      expect((await stored(Report, report._id))['state']).toBe(State.FINISHED);
    });

    it('leaves its key to the next', async () => {
      const report = await Report.push({ pages: 1 }, { every: MINUTE, key });
      await report.unschedule();

      const next = await Report.push({ pages: 2 }, { every: MINUTE, key });

      expect(next.id).not.toBe(report.id);
    });

    it('twice is no mistake, and neither is one that runs once or has ended', async () => {
      const report = await Report.push({ pages: 1 }, { every: MINUTE, key });
      const once = await Report.push({ pages: 1 });
      const before = await stored(Report, once._id);

      await report.unschedule();
      expect(await report.unschedule()).toBe(report);
      expect(await once.unschedule()).toBe(once);

      expect(await stored(Report, once._id)).toEqual(before);
    });
  });

  it('that was unscheduled and is pushed again without a schedule runs once', async () => {
    const report = await Report.push({ pages: 1 }, { every: MINUTE, key });
    await report.unschedule();

    await report.push();
    await (await popped()).finish();

    expect((await stored(Report, report._id))['state']).toBe(State.FINISHED);
  });

  it('is worked on by a worker, run after run', async () => {
    const report = await Report.push({ pages: 0 }, { every: 20, key });
    const worker = makeWorker(Report, { handler: (one) => void (one.pages = (one.pages ?? 0) + 1) });
    await worker.start();
    for (let run = 1; run <= 3; run++) await nextEvent(worker, 'finished');
    await report.unschedule();
    await worker.stop();

    expect((await stored(Report, report._id))['pages']).toBeGreaterThanOrEqual(3);
  });

  it('has no two runs for one slot in four processes, of which one is killed', async () => {
    const every = 40;
    const programs = Array.from({ length: 4 }, () => startProgram('recurring-worker', { uri: database.uri, every }));
    const reports = () => programs.flatMap(({ messages }) => messages);
    const slots = () => reports().filter((message) => 'slot' in message);
    await eventually(() => expect(slots().length).toBeGreaterThan(20));
    programs.find(({ messages }) => messages.length > 0)!.kill('SIGKILL');
    await eventually(() => expect(slots().length).toBeGreaterThan(50));
    for (const program of programs) program.kill('SIGKILL');
    await Promise.all(programs.map(({ exit }) => exit));

    const first = slots().filter(({ attempt }) => attempt === 1);
    const times = first.map(({ slot }) => slot as number);
    expect(new Set(times).size).toBe(times.length);
    expect(new Set(times.map((slot) => (slot - times[0]!) % every))).toEqual(new Set([0]));
    const counts = reports().flatMap(({ finished }) => (finished === undefined ? [] : [finished as number]));
    expect(new Set(counts).size).toBe(counts.length);
    // Each of those that were killed may have finished a run and not told of it.
    expect(Math.max(...counts) - counts.length).toBeLessThanOrEqual(programs.length);
    expect(await database.connection.collection('ticks').countDocuments()).toBe(1);
  });

  /** The server carries out the next update, and its answer does not arrive. */
  function loseAnswer(): void {
    const collection = nativeOf(Report) as unknown as { updateOne(...args: unknown[]): Promise<unknown> };
    const { updateOne } = collection;
    jest.spyOn(collection, 'updateOne').mockImplementationOnce(async (...args) => {
      await updateOne.apply(collection, args);
      throw new mongo.MongoNetworkError('the cable was cut');
    });
  }
});
