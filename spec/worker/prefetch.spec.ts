import { setTimeout as sleep } from 'node:timers/promises';
import { Schema } from 'mongoose';
import { State, taskQueue } from 'mongoose-task-queue';
import { monitoredConnection, type MonitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { deferred } from '../support/deferred';
import { eventually } from '../support/eventually';
import { nativeOf } from '../support/raw';
import { renewalsSent } from '../support/renewals';
import { makeWorker, recordEvents } from '../support/worker';

jest.mock('../../lib/timers', () => jest.requireActual<object>('../support/fakeable-timers'));

const LEASE_MS = 300;
/** More than a worker claims ahead. */
const MANY = 1_000;

describe('tasks that a worker claims ahead', () => {
  const database = useDatabase();
  let monitored: MonitoredConnection;
  const makeEmail = () =>
    monitored.connection.model('Email', taskQueue(new Schema({ to: String }), { leaseMs: LEASE_MS }));
  let Email: ReturnType<typeof makeEmail>;

  beforeAll(async () => {
    monitored = await monitoredConnection(database.uri);
    Email = makeEmail();
    await Email.ensureTaskIndexes();
  });
  afterEach(() => jest.restoreAllMocks());
  beforeEach(async () => {
    await nativeOf(Email).deleteMany({});
    monitored.forget();
  });

  const pushMany = (count: number) => Email.push(Array.from({ length: count }, (_, index) => ({ to: String(index) })));
  const countOf = (state: State) => nativeOf(Email).countDocuments({ state });

  /** A worker that is quick with the first tasks and is held up by the others, with tasks it cannot start. */
  const makeHeldUp = async (quick = 10) => {
    await pushMany(MANY);
    const end = deferred();
    let calls = 0;
    const worker = makeWorker(Email, { handler: () => (++calls > quick ? end.promise : undefined), concurrency: 2 });
    const events = recordEvents(worker);
    await worker.start();
    await eventually(async () => {
      expect(calls).toBe(quick + 2);
      expect(await countOf(State.FINISHED)).toBe(quick);
    });

    return { worker, end, events };
  };

  it('cost one claim for many, while the worker is quick', async () => {
    await pushMany(500);
    let calls = 0;
    // What a worker claims ahead depends on its pace: as long as this machine takes for it, here it is quick.
    const now = performance.now.bind(performance);
    jest.spyOn(performance, 'now').mockImplementation(() => now() / 1_000);
    const worker = makeWorker(Email, { handler: () => void calls++, concurrency: 2 });

    await worker.start();
    await eventually(() => expect(calls).toBe(500));

    const claims = monitored.sent('update').filter(({ body }) => JSON.stringify(body).includes('"_task.claims"'));
    expect(claims.length).toBeLessThan(100);
  });

  it('are none with `prefetch: 0`, nor when its tasks take long', async () => {
    for (const options of [{ prefetch: 0, handler: () => {} }, { handler: () => sleep(60) }]) {
      await nativeOf(Email).deleteMany({});
      await pushMany(30);
      const worker = makeWorker(Email, { ...options, concurrency: 1 });
      let most = 0;
      worker.on('started', () => void countOf(State.RUNNING).then((running) => (most = Math.max(most, running))));

      await worker.start();
      await eventually(async () => expect(await countOf(State.FINISHED)).toBeGreaterThan(5));
      await worker.stop();

      expect(most).toBeLessThanOrEqual(1);
    }
  });

  it('are given back when they could not be started within a second', async () => {
    const { end, events } = await makeHeldUp();
    await eventually(async () => expect(await countOf(State.RUNNING)).toBeGreaterThan(2));

    await eventually(async () => expect(await countOf(State.RUNNING)).toBe(2));

    const other = (await Email.pop())!;
    expect(other.lease).toMatchObject({ attempt: 1 });
    await other.finish();
    end.resolve();
    // What is stored is told a moment later.
    await eventually(() => expect(events.filter(([name]) => name === 'finished')).toHaveLength(MANY - 1));
    expect(await countOf(State.FINISHED)).toBe(MANY);
  });

  it('keep their leases while they wait: they are renewed with those that run', async () => {
    const { events } = await makeHeldUp();

    await eventually(() => {
      const written = renewalsSent(monitored).flatMap(
        ({ body }) => body['updates'] as { q: { _id: { $in: unknown[] } } }[],
      );
      // Two are with the handler.
      expect(Math.max(...written.map(({ q }) => q._id.$in.length))).toBeGreaterThan(2);
    });
    expect(events.filter(([name]) => name === 'lost')).toEqual([]);
  });

  it('are given back by `stop()` at once, and no attempt is charged', async () => {
    const { worker, end } = await makeHeldUp();
    await eventually(async () => expect(await countOf(State.RUNNING)).toBeGreaterThan(2));

    const stopped = worker.stop();

    await eventually(async () => expect(await countOf(State.RUNNING)).toBe(2));
    end.resolve();
    await stopped;
    expect(await countOf(State.FINISHED)).toBe(12);
    const rest = await Email.popMany(1_000);
    expect(rest.map((task) => task.attempts)).toEqual(Array.from({ length: MANY - 12 }, () => 1));
  });

  it('are not started when they were taken away meanwhile', async () => {
    const { events } = await makeHeldUp();
    const held = await eventually(async () => {
      const running = await countOf(State.RUNNING);
      expect(running).toBeGreaterThan(2);
      return running;
    });
    await nativeOf(Email).deleteMany({});

    await eventually(() => expect(events.filter(([name]) => name === 'lost')).toHaveLength(held));

    expect(events.filter(([name]) => name === 'started')).toHaveLength(12);
  });
});
