import { hostname } from 'node:os';
import { Schema } from 'mongoose';
import {
  constant,
  InvalidOptionError,
  taskQueue,
  UnrecoverableError,
  type TaskQueueOptions,
} from 'mongoose-task-queue';
import { sideOf } from '../../lib/side/collection';
import { monitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { heldHandler, makeWorker, startWorker } from '../support/worker';

const database = useDatabase();

const makeModel = (name: string, options: TaskQueueOptions = {}, connection = database.connection) =>
  connection.model(name, taskQueue(new Schema({ number: Number }), { backoff: constant(0), ...options }));

const of = (length: number) => Array.from({ length }, (_, number) => ({ number }));

function totals(rows: readonly { finished: number; failed: number; retried: number; cancelled: number }[]): object {
  const sum = (name: 'finished' | 'failed' | 'retried' | 'cancelled') => rows.reduce((all, row) => all + row[name], 0);
  return { finished: sum('finished'), failed: sum('failed'), retried: sum('retried'), cancelled: sum('cancelled') };
}

describe('history()', () => {
  it('has a row for each minute, also where nothing was', async () => {
    const Quiet = makeModel('Quiet');
    const rows = await Quiet.history();
    const nothing = { p50: null, p95: null, p99: null };

    expect(rows).toHaveLength(60);
    expect(rows[0]).toEqual({
      at: expect.any(Date) as Date,
      finished: 0,
      failed: 0,
      retried: 0,
      cancelled: 0,
      waitMs: nothing,
      runMs: nothing,
    });
    expect(rows[59]!.at.getTime() - rows[0]!.at.getTime()).toBe(59 * 60_000);
  });

  it('counts exactly what workers did, soon after they have stopped', async () => {
    const Done = makeModel('Done', { maxAttempts: 2 });
    await Done.push(of(40));
    const workers = await Promise.all(
      [1, 2].map(() =>
        startWorker(Done, {
          concurrency: 4,
          handler({ number, attempts }) {
            if (number! < 5) throw new UnrecoverableError('never');
            if (number! < 10 && attempts === 1) throw new Error('not yet');
          },
        }),
      ),
    );
    await eventually(async () =>
      expect(await Done.countDocuments({ state: { $in: ['FINISHED', 'FAILED'] } })).toBe(40),
    );
    await Promise.all(workers.map((worker) => worker.stop()));
    // `stop()` does not wait long for what it writes.
    const rows = await eventually(async () => {
      const found = await Done.history({ minutes: 5 });
      expect(totals(found)).toEqual({ finished: 35, failed: 5, retried: 5, cancelled: 0 });
      return found;
    });

    const busy = rows.find(({ finished }) => finished > 0)!;
    expect(busy.runMs.p50).toBeGreaterThan(0);
    expect(busy.waitMs.p99).toBeGreaterThanOrEqual(busy.waitMs.p50!);
    expect(await Done.stats()).toMatchObject({ finishedLastHour: 35, failedLastHour: 5 });
    expect(await sideOf(Done).indexes()).toContainEqual(expect.objectContaining({ key: { expiresAt: 1 } }));
  });

  it('of a base has that of its kinds, of a kind its own', async () => {
    const Base = makeModel('Sort');
    const Kind = Base.discriminator('SortKind', new Schema({}));
    await Base.push(of(2));
    await Kind.push(of(3));
    const worker = await startWorker(Base, { handler: () => {} });
    await eventually(async () => expect(await Base.countDocuments({ state: 'FINISHED' })).toBe(5));
    await worker.stop();

    await eventually(async () => expect(totals(await Base.history())).toMatchObject({ finished: 5 }));
    expect(totals(await Kind.history())).toMatchObject({ finished: 3 });
  });

  it.each([{ minutes: 0 }, { minutes: 2_881 }, { minutes: 1.5 }, { hours: 1 }])('refuses %j', async (options) => {
    const Refused = database.connection.models['RefusedHistory'] ?? makeModel('RefusedHistory');

    await expect((Refused as unknown as { history(o: object): Promise<unknown> }).history(options)).rejects.toThrow(
      InvalidOptionError,
    );
  });
});

describe('workers()', () => {
  it('lists each worker while it runs', async () => {
    const Listed = makeModel('Listed');
    const { handler, calls, call } = heldHandler<unknown>();
    await Listed.push(of(1));
    const worker = await startWorker(Listed, { handler, concurrency: 3 });
    await call(1);
    const [found] = await eventually(async () => {
      const all = await Listed.workers();
      expect(all).toHaveLength(1);
      return all;
    });

    expect(found).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{24}$/) as string,
      host: hostname(),
      pid: process.pid,
      models: ['Listed'],
      concurrency: 3,
      running: 1,
      held: 1,
      since: expect.any(Date) as Date,
      beat: expect.any(Date) as Date,
    });
    calls[0]!.end.resolve();
    await worker.stop();
    await eventually(async () => expect(await Listed.workers()).toEqual([]));
  });

  it('leaves out one that has not given a sign of life for a minute', async () => {
    const Gone = makeModel('Gone');
    await startWorker(Gone, { handler: () => {} });
    await eventually(async () => expect(await Gone.workers()).toHaveLength(1));
    await sideOf(Gone).updateMany({ worker: { $exists: true } }, [
      { $set: { beat: { $subtract: ['$$NOW', 60_000] } } },
    ]);

    expect(await Gone.workers()).toEqual([]);
  });
});

describe('what a worker writes down', () => {
  it('is one write for all that it did', async () => {
    const monitored = await monitoredConnection(database.uri);
    const Written = makeModel('Written', {}, monitored.connection);
    await Written.push(of(200));
    monitored.forget();
    const worker = await startWorker(Written, { handler: () => {}, concurrency: 8 });
    await eventually(async () => expect(await Written.countDocuments({ state: 'FINISHED' })).toBe(200));
    await worker.stop();
    const side = monitored.all().filter(({ body }) => Object.values(body).includes('writtens.queue'));

    // A beat may have come before that of the end; the last one also removes the worker.
    expect(side.filter(({ name }) => name === 'update').length).toBeLessThanOrEqual(2);
    expect(side.every(({ name }) => name === 'update' || name === 'delete')).toBe(true);
  });

  it('is nothing for a worker that did nothing and was soon stopped', async () => {
    const monitored = await monitoredConnection(database.uri);
    const Short = makeModel('Short', {}, monitored.connection);
    await Short.ensureTaskIndexes();
    const worker = makeWorker(Short, { handler: () => {} });
    void worker.start();
    await worker.stop();

    expect(monitored.all().filter(({ name }) => name === 'update')).toEqual([]);
  });

  it('is nothing with `history: false`', async () => {
    const Off = makeModel('Off', { history: false });
    await Off.push(of(1));
    const worker = await startWorker(Off, { handler: () => {}, changeStreams: false });
    await worker.drained();
    await worker.stop();

    expect(totals(await Off.history())).toEqual({ finished: 0, failed: 0, retried: 0, cancelled: 0 });
    expect(await Off.stats()).toMatchObject({ finishedLastHour: 0 });
    expect(await sideOf(Off).countDocuments()).toBe(0);
  });
});
