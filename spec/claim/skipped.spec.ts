import { Schema, Types, type ClientSession } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { notSkipped, skip } from '../../lib/claim/skipped';
import { monitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { nativeOf } from '../support/raw';

jest.mock('../../lib/timers', () => jest.requireActual<object>('../support/fakeable-timers'));

describe('a task that an open transaction has written', () => {
  const database = useDatabase('replicaSet');
  const makeLetter = (connection = database.connection) =>
    connection.model('Letter', taskQueue(new Schema({ number: Number, isRead: Boolean })));
  let Letter: ReturnType<typeof makeLetter>;
  let session: ClientSession;

  beforeAll(async () => {
    Letter = makeLetter();
    await Letter.init(); // An index cannot be built beside an open transaction.
  });

  beforeEach(async () => {
    await Letter.deleteMany({});
    session = await database.connection.startSession();
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await session.endSession(); // Aborts what is open.
  });

  it('is passed over: the next one is handed out', async () => {
    await pushAndBlock({ tasks: 3, blocked: 1 });

    expect((await popped()).number).toBe(1);
    expect((await popped()).number).toBe(2);
  });

  it('is waited for by the first claim only', async () => {
    const { connection, sent, forget } = await monitoredConnection(database.uri);
    const Monitored = makeLetter(connection);
    await pushAndBlock({ tasks: 3, blocked: 1 });
    await Monitored.pop();
    stoppedClock();
    forget();

    const task = await Monitored.pop();

    expect(task?.number).toBe(2);
    const claims = sent('findAndModify').map(({ body }) => JSON.stringify(body['query']));
    expect(claims.length).toBeGreaterThan(0);
    expect(claims.filter((query) => !query.includes('$nin'))).toEqual([]);
    await connection.destroy();
  });

  it('is handed out after the transaction', async () => {
    await pushAndBlock({ tasks: 2, blocked: 1 });
    await Letter.pop();

    await session.commitTransaction();

    expect(await popped()).toMatchObject({ number: 0, isRead: true, attempts: 1 });
  });

  it('makes pop() return null when there is no other', async () => {
    await pushAndBlock({ tasks: 1, blocked: 1 });

    expect(await Letter.pop()).toBeNull();
    expect(await Letter.pop()).toBeNull();
  });

  it('is passed over also when it is one of many', async () => {
    await pushAndBlock({ tasks: 71, blocked: 70 });

    expect((await popped()).number).toBe(70);
  });

  it('is left out of a claim of many, which takes the others in their order', async () => {
    await pushAndBlock({ tasks: 5, blocked: 2 });

    const tasks = await Letter.popMany(3);

    expect(tasks.map(({ number }) => number)).toEqual([2, 3, 4]);
  });

  it('does not fail callers who claim at the same moment', async () => {
    await pushAndBlock({ tasks: 10, blocked: 2 });

    const tasks = await Promise.all(Array.from({ length: 10 }, () => Letter.pop()));

    const numbers = tasks.flatMap((task) => task?.number ?? []);
    expect(numbers.toSorted((a, b) => a - b)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
  });

  /** What is slow because the machine is busy is taken for blocked as well, and tried again a second later. */
  function popped() {
    return eventually(async () => (await Letter.pop()) ?? fail('not yet'));
  }

  /** Numbered from 0; the first `blocked` are written by a transaction that stays open. */
  async function pushAndBlock({ tasks, blocked }: { tasks: number; blocked: number }): Promise<void> {
    await Letter.push(Array.from({ length: tasks }, (_, number) => ({ number })));
    session.startTransaction();
    await nativeOf(Letter).updateMany({ number: { $lt: blocked } }, { $set: { isRead: true } }, { session });
  }
});

describe('notSkipped', () => {
  const database = useDatabase();
  const model = (name: string) => database.connection.model(name, new Schema({}));
  const id = new Types.ObjectId();

  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('leaves nothing out at first', () => {
    expect(notSkipped(model('First'))).toEqual({});
  });

  it('leaves out what was passed over, of that model only', () => {
    const Passed = model('Passed');

    skip(Passed, id);

    expect(notSkipped(Passed)).toEqual({ _id: { $nin: [id] } });
    expect(notSkipped(model('Other'))).toEqual({});
  });

  it('forgets it after a second, counted from the last time it was met', () => {
    const Passed = model('Forgotten');
    const clock = stoppedClock();
    skip(Passed, id);
    clock.advance(900);
    skip(Passed, id);

    clock.advance(900);
    expect(notSkipped(Passed)).toEqual({ _id: { $nin: [id] } });

    clock.advance(101);
    expect(notSkipped(Passed)).toEqual({});
  });

  it('lets ten of many be tried again each second, and all when none of the ten was met', () => {
    const Passed = model('Many');
    const clock = stoppedClock();
    for (let number = 0; number < 100; number++) skip(Passed, number);

    clock.advance(1_001);
    expect(leftOut(Passed)).toHaveLength(90);
    for (let number = 0; number < 10; number++) skip(Passed, number);
    expect(leftOut(Passed)).toHaveLength(100);

    clock.advance(1_001);
    // Those that were met longest ago.
    expect(leftOut(Passed)).not.toEqual(expect.arrayContaining([10]));
    expect(leftOut(Passed)).toHaveLength(90);

    clock.advance(1_001);
    expect(leftOut(Passed)).toEqual([]);
  });
});

function leftOut(model: Parameters<typeof notSkipped>[0]): unknown[] {
  const { _id } = notSkipped(model) as { _id?: { $nin: unknown[] } };

  return _id?.$nin ?? [];
}

/** A monotonic clock that goes on only when it is told to. */
function stoppedClock(): { advance(ms: number): void } {
  let now = performance.now();
  jest.spyOn(performance, 'now').mockImplementation(() => now);

  return {
    advance(ms) {
      now += ms;
    },
  };
}

function fail(message: string): never {
  throw new Error(message);
}
