import { Schema, type Connection } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { deferred } from '../support/deferred';
import { nativeOf, rawUpdate } from '../support/raw';

jest.mock('../../lib/timers', () => jest.requireActual<object>('../support/fakeable-timers'));

const { ObjectId } = Schema.Types;

/** Longer than any spec. */
const NEVER_MS = 10 * 60_000;

/** Lets idle queues look for tasks only when they are told to: their timers do not fire. Resolves when one of them rests. */
function withoutPolls(): Promise<void> {
  const { setTimeout: original } = globalThis;
  const resting = deferred();
  const set = (listener: () => void, ms?: number) => {
    const isOfIdle = new Error().stack?.includes('queue/idle') ?? false;
    if (isOfIdle) resting.resolve();
    return original(listener, isOfIdle ? NEVER_MS : ms);
  };
  jest.spyOn(globalThis, 'setTimeout').mockImplementation(Object.assign(set, original) as typeof setTimeout);

  return resting.promise;
}

describe('an idle queue of tasks that wait', () => {
  const database = useDatabase();
  const makeSource = (connection: Connection, name = 'Source') =>
    connection.model(name, taskQueue(new Schema({ name: String })));
  const makeReport = (connection: Connection, name = 'Report', ref = 'Source') => {
    const dependsOn = { type: 'DIRECT', onFailed: 'fail' };
    return connection.model(name, taskQueue(new Schema({ source: { type: ObjectId, ref, dependsOn } })));
  };
  type Source = ReturnType<typeof makeSource>;
  type Report = ReturnType<typeof makeReport>;
  let Source: Source;
  let Report: Report;

  beforeAll(async () => {
    Source = makeSource(database.connection);
    Report = makeReport(database.connection);
    await Promise.all([Source.pop(), Report.pop()]);
  });

  beforeEach(async () => {
    await Promise.all([nativeOf(Source).deleteMany({}), nativeOf(Report).deleteMany({})]);
  });

  afterEach(() => {
    jest.restoreAllMocks();
  });

  /** What a queue gets that looks only when it is told to, after `act` let a task become ready. */
  const nextOf = async (Model: Report, act: () => Promise<unknown>) => {
    const resting = withoutPolls();
    const queue = Model.queue({ pollMs: NEVER_MS });
    try {
      const next = queue.next();
      await resting;
      await act();
      return (await next).value as { id: string };
    } finally {
      await queue.return();
    }
  };

  const waiting = async (OneSource = Source, OneReport = Report) => {
    const source = await OneSource.push({ name: 'source' });
    const report = await OneReport.push({ source: source._id });
    expect(await OneReport.pop()).toBeNull();
    return { source, report };
  };

  it('starts at once when what they wait for is finished by its holder in the same process', async () => {
    const { report } = await waiting();
    const task = (await Source.pop())!;

    expect((await nextOf(Report, () => task.finish())).id).toBe(report.id);
  });

  it('starts at once when what they wait for is finished by its producer', async () => {
    const { source, report } = await waiting();

    expect((await nextOf(Report, () => source.finish())).id).toBe(report.id);
  });

  it('starts at once when what failed them is pushed and finished', async () => {
    const { source, report } = await waiting();
    await source.fail();
    expect(await Report.pop()).toBeNull();

    const next = nextOf(Report, async () => {
      await source.push();
      await source.finish();
    });

    expect((await next).id).toBe(report.id);
  });

  it('starts at once when a task is pushed whose dependency is done', async () => {
    const source = await (await Source.push({ name: 'source' })).finish();

    const next = nextOf(Report, () => Report.push({ source: source._id }));

    expect((await next).id).toBeDefined();
  });

  it('starts at once when what they wait for is a model of another connection', async () => {
    const other = await openConnection(database.uri);
    const FarSource = makeSource(other, 'FarSource');
    const FarReport = makeReport(database.connection, 'FarReport', 'FarSource');
    const { report } = await waiting(FarSource, FarReport);
    const task = (await FarSource.pop())!;

    expect((await nextOf(FarReport, () => task.finish())).id).toBe(report.id);
  });

  it('starts at once when what they wait for is finished on another connection that has the same model', async () => {
    const OtherSource = makeSource(await openConnection(database.uri));
    const { report } = await waiting();
    const task = (await OtherSource.pop())!;

    expect((await nextOf(Report, () => task.finish())).id).toBe(report.id);
  });

  it('starts at once when what they wait for is of a model that no `refPath` named before it looked', async () => {
    const of = { type: ObjectId, refPath: 'kind', dependsOn: 'DIRECT' as const };
    const Parcel = database.connection.model('Parcel', taskQueue(new Schema({ kind: String, of })));
    const source = await Source.push({ name: 'source' });
    // By another program, so that this process learns the name by its look.
    const { insertedId } = await nativeOf(Parcel).insertOne({ state: 'CREATED', kind: 'Source', of: source._id });

    const next = await nextOf(Parcel as unknown as Report, () => source.finish());

    expect(next.id).toBe(insertedId.toHexString());
  });

  it('hands the work on from queue to queue', async () => {
    void withoutPolls();
    const Last = makeReport(database.connection, 'Last', 'Report');
    await Last.pop();
    const { report } = await waiting();
    const last = await Last.push({ source: report._id });
    const ending = new AbortController();
    const done: string[] = [];
    const work = async (Model: Report) => {
      for await (const task of Model.queue({ pollMs: NEVER_MS, signal: ending.signal })) {
        await task.finish();
        done.push(task.id as string);
        if (task.id === last.id) ending.abort();
      }
    };
    const working = Promise.all([work(Report), work(Last)]);

    await (await Source.pop())!.finish();

    await working;
    expect(done).toEqual([report.id, last.id]);
  });

  it('looks by itself for what other programs write', async () => {
    const { source, report } = await waiting();
    const queue = Report.queue({ pollMs: 20 });
    const next = queue.next();

    await rawUpdate(Source, source._id, { $set: { state: 'FINISHED' } });

    expect(((await next).value as { id: string }).id).toBe(report.id);
    await queue.return();
  });
});
