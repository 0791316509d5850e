import { mongo, Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { useDatabase } from '../support/database';
import { nativeOf, stored } from '../support/raw';

jest.mock('../../lib/timers', () => jest.requireActual<object>('../support/fakeable-timers'));

type Native = Record<'findOneAndUpdate' | 'updateMany' | 'bulkWrite', (...args: any[]) => Promise<unknown>>;

/*
 * To a claim that takes its time, a large task and a busy server look like a lock. The server here carries out a claim only if it is given
 * half a second for it.
 */
describe('a claim that takes longer than it may', () => {
  const database = useDatabase();
  const makeReport = () => database.connection.model('Report', taskQueue(new Schema({ number: Number })));
  let Report: ReturnType<typeof makeReport>;

  beforeAll(async () => {
    Report = makeReport();
    await Report.init();
  });

  beforeEach(async () => {
    await Report.deleteMany({});
    for (const name of ['findOneAndUpdate', 'updateMany'] as const) slowDown(name);
  });

  afterEach(() => {
    jest.restoreAllMocks();
  });

  const claims: Record<string, () => Promise<unknown[]>> = {
    'by pop()': async () => [await Report.pop()],
    'by popMany()': () => Report.popMany(2),
    'by popMany() of one': () => Report.popMany(1),
    'by many callers': () => Promise.all(Array.from({ length: 5 }, () => Report.pop())),
  };

  it.each(Object.keys(claims))('gets the time it needs where reading is slow, too, %s', async (name) => {
    await Report.push([{ number: 0 }, { number: 1 }]);
    readsTake(60);

    const tasks = (await claims[name]!()) as ({ number: number } | null)[];

    expect(tasks[0]?.number).toBe(0);
  });

  it.each(Object.keys(claims))('is of a locked task where reading is quick: it is passed over, %s', async (name) => {
    await Report.push([{ number: 0 }, { number: 1 }]);
    readsTake(1);

    expect((await claims[name]!()).filter((task) => task !== null)).toEqual([]);
  });

  it('does not get any time at all', async () => {
    await Report.push({ number: 0 });
    readsTake(10_000);

    await Report.pop();

    const claim = nativeOf(Report).findOneAndUpdate as unknown as jest.Mock<
      unknown,
      [object, object, { maxTimeMS: number }]
    >;
    expect(claim.mock.calls.map(([, , { maxTimeMS }]) => maxTimeMS)).toEqual([200, 50, 5_000]);
  });

  it.each([
    [60, true],
    [1, false],
  ])('marks what a task waits for where reading takes %i ms: %s', async (ms, isMarked) => {
    const report = { type: Schema.Types.ObjectId, ref: 'Report', dependsOn: { type: 'DIRECT' } };
    const Mail =
      database.connection.models['Mail'] ?? database.connection.model('Mail', taskQueue(new Schema({ report })));
    const { _id } = await Report.push({ number: 0 });
    await (Mail as typeof Report).ensureTaskIndexes();
    slowDown('bulkWrite');
    readsTake(ms);

    await (Mail as typeof Report).push({ report: _id } as object);

    expect('armed' in (await stored(Report, _id))['_task']).toBe(isMarked);
  });

  function slowDown(name: keyof Native): void {
    const native = nativeOf(Report) as unknown as Native;
    const write = native[name].bind(native);
    jest.spyOn(native, name).mockImplementation((...args: any[]) => {
      const { maxTimeMS } = args.at(-1) as { maxTimeMS?: number };
      return maxTimeMS === undefined || maxTimeMS >= 500
        ? write(...args)
        : Promise.reject(new mongo.MongoServerError({ message: 'operation exceeded time limit', code: 50 }));
    });
  }

  /** By the clock of the library. */
  function readsTake(ms: number): void {
    let now = performance.now();
    jest.spyOn(performance, 'now').mockImplementation(() => now);
    const db = Report.db.db!;
    const command = db.command.bind(db);
    jest.spyOn(db, 'command').mockImplementation(async (...args) => {
      const answer = await command(...args);
      if ('find' in args[0]) now += ms;
      return answer;
    });
  }
});
