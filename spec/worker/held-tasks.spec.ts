import { Schema, Types } from 'mongoose';
import { LeaseLostError, State, taskQueue } from 'mongoose-task-queue';
import { monitoredConnection, type MonitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { deferred } from '../support/deferred';
import { eventually } from '../support/eventually';
import { nativeOf, rawUpdate, stored } from '../support/raw';
import { renewalsSent } from '../support/renewals';
import { heldHandler, makeWorker, nextEvent, recordEvents, startWorker } from '../support/worker';

jest.mock('../../lib/timers', () => jest.requireActual<object>('../support/fakeable-timers'));

const LEASE_MS = 300;

describe('the leases of tasks in hand', () => {
  const database = useDatabase();
  let monitored: MonitoredConnection;
  const makeEmail = () =>
    monitored.connection.model('Email', taskQueue(new Schema({ to: String }), { leaseMs: LEASE_MS }));
  const makeReport = () =>
    monitored.connection.model('Report', taskQueue(new Schema({ to: String }), { leaseMs: LEASE_MS }));
  let Email: ReturnType<typeof makeEmail>;
  let Report: ReturnType<typeof makeReport>;
  type Email = InstanceType<typeof Email>;

  beforeAll(async () => {
    monitored = await monitoredConnection(database.uri);
    Email = makeEmail();
    Report = makeReport();
    await Promise.all([Email.ensureTaskIndexes(), Report.ensureTaskIndexes()]);
  });
  beforeEach(() => Promise.all([nativeOf(Email).deleteMany({}), nativeOf(Report).deleteMany({})]));
  afterEach(() => jest.restoreAllMocks());

  it('are kept by a handler that runs several times as long', async () => {
    // So long that a busy machine does not lose it.
    const leaseMs = 1_500;
    const Letter = database.connection.model('Letter', taskQueue(new Schema({ to: String }), { leaseMs }));
    const { _id } = await Letter.push({ to: 'ada' });
    const { handler, call } = heldHandler<InstanceType<typeof Letter>>();
    const worker = await startWorker(Letter, { handler });
    const { task, end, signal } = await call(1);
    const rival = heldHandler<unknown>();
    await startWorker(Letter, { handler: rival.handler });
    const firstUntil = task.lease!.until.getTime();

    await eventually(() => expect(task.lease!.until.getTime()).toBeGreaterThan(firstUntil + 4 * leaseMs));

    const finished = nextEvent(worker, 'finished');
    end.resolve();
    await finished;
    expect(await stored(Letter, _id)).toMatchObject({ state: State.FINISHED, _task: { claims: 1, attempts: 1 } });
    expect([rival.calls.length, signal.aborted]).toEqual([0, false]);
  });

  it('are renewed together: one write for all tasks of a model, whatever claims they came by', async () => {
    const { handler, call, calls } = heldHandler<Email>();
    await startWorker(Email, { handler, concurrency: 20, pollMs: 10 });
    for (let count = 5; count <= 20; count += 5) {
      await Email.push(Array.from({ length: 5 }, () => ({ to: 'ada' })));
      await call(count);
    }
    const held = calls.map(({ task }) => String(task._id)).sort();

    monitored.forget();
    const renewals = await eventually(() => {
      const sent = renewalsSent(monitored);
      expect(sent.length).toBeGreaterThanOrEqual(4);
      return sent;
    });

    const renewedIds = (statements: { q: { _id: { $in: unknown[] } } }[]) =>
      statements.flatMap(({ q }) => q._id.$in.map(String)).sort();
    for (const { body } of renewals) expect(renewedIds(body['updates'] as never)).toEqual(held);
    expect(new Set(calls.map(({ task }) => task.lease!.token)).size).toBeGreaterThan(1);
    calls.forEach(({ end }) => end.resolve());
  });

  it('are renewed by one write per model', async () => {
    await Promise.all([Email.push([{ to: 'a' }, { to: 'b' }]), Report.push([{ to: 'a' }, { to: 'b' }])]);
    const { handler, call, calls } = heldHandler<unknown>();
    await startWorker<unknown>([Email, Report], { handler, concurrency: 4 });
    await call(4);

    monitored.forget();
    await eventually(() => expect(renewalsSent(monitored).length).toBeGreaterThanOrEqual(6));

    const names = renewalsSent(monitored).map(({ body }) => String(body['update']));
    const counts = ['emails', 'reports'].map((name) => names.filter((one) => one === name).length);
    expect(Math.abs(counts[0]! - counts[1]!)).toBeLessThanOrEqual(1);
    calls.forEach(({ end }) => end.resolve());
  });

  it('are not renewed any more once nothing is in hand', async () => {
    await Email.push({ to: 'ada' });
    const worker = makeWorker(Email, { handler: () => {}, pollMs: 1_000_000 });
    const intervals = jest.spyOn(globalThis, 'setInterval');
    const cleared = jest.spyOn(globalThis, 'clearInterval');
    const idle = nextEvent(worker, 'idle');
    await worker.start();
    await idle;

    const renewals = intervals.mock.results
      .filter((_, index) => intervals.mock.calls[index]![1] === LEASE_MS / 3)
      .map(({ value }) => value as NodeJS.Timeout);
    expect(renewals).toHaveLength(1);
    expect(cleared.mock.calls.map(([timer]) => timer)).toEqual(expect.arrayContaining(renewals));
  });

  describe('that are lost', () => {
    it('to somebody else abort the signal, and nothing is written', async () => {
      const { _id } = await Email.push({ to: 'ada' });
      const { handler, call } = heldHandler<Email>();
      const worker = makeWorker(Email, { handler });
      const lost = nextEvent(worker, 'lost');
      await worker.start();
      const { signal, task } = await call(1);
      const token = new Types.ObjectId();
      await rawUpdate(Email, _id, { $set: { '_task.token': token, '_task.availableAt': new Date('2100-01-01') } });

      const [email, error] = await lost;

      expect(signal.reason).toBe(error);
      expect(error).toBeInstanceOf(LeaseLostError);
      expect((error as LeaseLostError).taskId).toEqual(_id);
      expect(email).toBe(task);
      expect(await stored(Email, _id)).toMatchObject({ state: State.RUNNING, _task: { token, attempts: 1 } });
    });

    it('because the task was deleted abort the signal', async () => {
      const { _id } = await Email.push({ to: 'ada' });
      const { handler, call } = heldHandler<Email>();
      const worker = makeWorker(Email, { handler });
      const lost = nextEvent(worker, 'lost');
      await worker.start();
      const { signal } = await call(1);
      await nativeOf(Email).deleteOne({ _id });

      await lost;

      expect(signal.reason).toBeInstanceOf(LeaseLostError);
      expect(await nativeOf(Email).countDocuments()).toBe(0);
    });

    it('abort only the signal of that task', async () => {
      await Email.push([{ to: 'lost' }, { to: 'kept' }]);
      const { handler, call } = heldHandler<Email>();
      const worker = makeWorker(Email, { handler, concurrency: 2 });
      const lost = nextEvent(worker, 'lost');
      await worker.start();
      const [first, second] = [await call(1), await call(2)];
      await nativeOf(Email).deleteOne({ _id: first.task._id });
      await lost;

      expect([first, second].map(({ signal }) => signal.aborted)).toEqual([true, false]);
      const finished = nextEvent(worker, 'finished');
      second.end.resolve();
      expect((await finished)[0].to).toBe('kept');
    });

    it('are told from one whose end is on its way while the others are renewed', async () => {
      await Email.push([{ to: 'ending' }, { to: 'kept' }]);
      const answer = deferred();
      holdEndings(answer.promise);
      const { handler, calls, call } = heldHandler<Email>();
      const worker = makeWorker(Email, {
        concurrency: 2,
        handler: async (email, context) => {
          if (email.to === 'ending') await email.finish();
          await handler(email, context);
        },
      });
      const events = recordEvents(worker);
      await worker.start();
      await call(1);
      await eventually(async () => expect(await nativeOf(Email).countDocuments({ state: 'FINISHED' })).toBe(1));
      const reads = monitored.sent('find').length;
      // A renewal that found one task less than it holds looks for what became of it.
      await eventually(() => expect(monitored.sent('find').length).toBeGreaterThan(reads + 1));
      answer.resolve();
      (await call(2)).end.resolve();
      calls[0]!.end.resolve();

      await eventually(() =>
        expect(events.map(([name]) => name).sort()).toEqual(['finished', 'finished', 'started', 'started']),
      );
      expect(calls.map(({ signal }) => signal.aborted)).toEqual([false, false]);
    });
  });

  describe('that cannot be renewed', () => {
    it('are reported, and tried again', async () => {
      await Email.push({ to: 'ada' });
      const error = new Error('not authorized');
      const { handler, call } = heldHandler<Email>();
      const worker = makeWorker(Email, { handler });
      const reported = nextEvent(worker, 'error');
      jest.spyOn(nativeOf(Email), 'bulkWrite').mockRejectedValueOnce(error);
      await worker.start();
      const { task, end } = await call(1);
      const { until } = task.lease!;

      expect(await reported).toEqual([error]);
      await eventually(() => expect(task.lease!.until.getTime()).toBeGreaterThan(until.getTime()));
      const finished = nextEvent(worker, 'finished');
      end.resolve();
      await finished;
    });

    it('because the database does not answer are not asked for again before it does', async () => {
      await Email.push({ to: 'ada' });
      const answer = deferred<never>();
      const renewals = jest.spyOn(nativeOf(Email), 'bulkWrite').mockReturnValue(answer.promise);
      const ticks = countTicks();
      const { handler, call } = heldHandler<Email>();
      const worker = await startWorker(Email, { handler });
      recordEvents(worker);
      const { end } = await call(1);

      await eventually(() => expect(ticks()).toBeGreaterThanOrEqual(4));

      expect(renewals).toHaveBeenCalledTimes(1);
      renewals.mockRestore();
      answer.reject(new Error('too late'));
      end.resolve();
    });
  });

  /** How often the timers for renewals have fired since. */
  function countTicks(): () => number {
    let ticks = 0;
    const { setInterval: start } = globalThis;
    jest.spyOn(globalThis, 'setInterval').mockImplementation(((tick: () => void, ms: number) =>
      start(() => {
        ticks++;
        tick();
      }, ms)) as typeof setInterval);

    return () => ticks;
  }

  /** Lets the server carry out the end of a task, and keeps its answer from whoever waits for it. */
  function holdEndings(until: Promise<void>): void {
    const collection = nativeOf(Email) as unknown as { bulkWrite(...args: unknown[]): Promise<unknown> };
    const { bulkWrite } = collection;
    jest.spyOn(collection, 'bulkWrite').mockImplementation(async (...args) => {
      const result = await bulkWrite.apply(collection, args);
      if (JSON.stringify(args[0]).includes('settledAt')) await until;
      return result;
    });
  }
});
