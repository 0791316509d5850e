import { Schema, Types, type Connection } from 'mongoose';
import { taskQueue, type DependencyPolicy, type DependencyType } from 'mongoose-task-queue';
import { writeInParts } from '../../lib/dependencies/chunks';
import { monitoredConnection, type MonitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { nativeOf, rawUpdate, stored } from '../support/raw';

jest.mock('../../lib/timers', () => jest.requireActual<object>('../support/fakeable-timers'));

class Refusal extends Error {
  override name = 'Refusal';
}

describe('a write in parts', () => {
  const numbers = (count: number) => Array.from({ length: count }, (_, number) => number);

  /** Writes numbers, of which some refuse. */
  const writeNumbers = async (count: number, refusing: readonly number[], weigh?: (item: number) => number) => {
    const calls: { items: number[]; maxTimeMS: number }[] = [];
    const written = new Set<number>();
    const refused = await writeInParts(numbers(count), {
      write: async (items, maxTimeMS) => {
        calls.push({ items, maxTimeMS });
        if (items.some((one) => refusing.includes(one))) throw new Refusal();
        for (const one of items) written.add(one);
      },
      isRefusal: (error) => error instanceof Refusal,
      ...(weigh && { weigh }),
    });

    return { calls, written, refused: refused.map(({ item }) => item) };
  };

  it('of nothing writes nothing', async () => {
    expect((await writeNumbers(0, [])).calls).toEqual([]);
  });

  it('is one write for few, and several for many', async () => {
    expect((await writeNumbers(1_000, [])).calls.map(({ items }) => items.length)).toEqual([1_000]);
    expect((await writeNumbers(2_500, [])).calls.map(({ items }) => items.length)).toEqual([1_000, 1_000, 500]);
  });

  it('has fewer of those that weigh more in one part, and gives them more time', async () => {
    const { calls } = await writeNumbers(4, [], () => 2_500);

    expect(calls.map(({ items }) => items)).toEqual([[0], [1], [2], [3]]);
    expect(calls[0]!.maxTimeMS).toBeGreaterThan((await writeNumbers(4, [])).calls[0]!.maxTimeMS);
  });

  it('finds the one that refuses by few writes, and writes the others', async () => {
    const { calls, written, refused } = await writeNumbers(3_000, [1_234]);

    expect(refused).toEqual([1_234]);
    expect(written.size).toBe(2_999);
    expect(calls.length).toBeLessThan(25);
  });

  it('waits less for each once one has refused', async () => {
    const { calls } = await writeNumbers(1_000, [0]);

    expect(calls[0]!.maxTimeMS).toBe(200);
    expect(calls.slice(1).every(({ maxTimeMS }) => maxTimeMS < 200)).toBe(true);
  });

  it('gives up those that there is no time for, and counts them as refused', async () => {
    let now = 0;
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => (now += 50));
    const { calls, written, refused } = await writeNumbers(3_000, numbers(3_000));
    clock.mockRestore();

    expect([written.size, refused.length]).toEqual([0, 3_000]);
    expect(calls.length).toBeLessThan(12);
  });

  it('throws what is no refusal', async () => {
    const write = () => Promise.reject(new Error('no connection'));

    await expect(writeInParts([1, 2], { write, isRefusal: () => false })).rejects.toThrow('no connection');
  });
});

describe('a task that refers to thousands of documents', () => {
  const database = useDatabase('replicaSet');
  let monitored: MonitoredConnection;
  let Source: ReturnType<typeof makeSource>;
  let count = 0;

  const MANY = 3_000;
  const makeSource = (connection: Connection) => connection.model('Source', taskQueue(new Schema({})));
  const makeTask = async (type: DependencyType, onFailed: DependencyPolicy) => {
    const parts = { type: [{ type: Schema.Types.ObjectId, ref: 'Source' }], dependsOn: { type, onFailed } };
    const Task = monitored.connection.model(`Task${++count}`, taskQueue(new Schema({ parts }), { recheckMs: 60_000 }));
    await Task.pop();
    return Task;
  };
  const insertSources = async () => {
    const ids = Array.from({ length: MANY }, () => new Types.ObjectId());
    await nativeOf(Source).insertMany(ids.map((_id) => ({ _id, state: 'CREATED' })));
    return ids;
  };
  const markedBy = (path: string) => nativeOf(Source).countDocuments({ [path]: { $exists: true } });
  const setState = (_id: unknown, state: string) => rawUpdate(Source, _id, { $set: { state } });

  beforeAll(async () => {
    monitored = await monitoredConnection(database.uri);
    Source = makeSource(monitored.connection);
    await Source.ensureTaskIndexes();
  });

  beforeEach(async () => {
    await nativeOf(Source).deleteMany({});
  });

  const kinds: [DependencyType, DependencyPolicy][] = [
    ['ANY_OF', 'wait'],
    ['ANY_OF', 'fail'],
    ['ANY_OF', 'ignore'],
    ['ALL_OF', 'fail'],
  ];

  it.each(kinds)('is pushed with few commands: %s, %s', async (type, onFailed) => {
    const Task = await makeTask(type, onFailed);
    const parts = await insertSources();
    monitored.forget();

    const task = await Task.push({ parts });

    // Seven or eight. On a busy machine one that takes too long for its limit is sent again, in halves.
    expect(monitored.all().length).toBeLessThan(20);
    expect(await markedBy('_task.armed')).toBe(MANY);
    expect((await stored(Task, task._id))['_task'].waitingOn.length).toBeLessThanOrEqual(MANY + 1);
  });

  it.each(kinds)('has a bounded number of them in each command: %s, %s', async (type, onFailed) => {
    const Task = await makeTask(type, onFailed);
    const parts = await insertSources();
    await nativeOf(Task).insertOne({ state: 'CREATED', parts });
    monitored.forget();

    await Task.push({ parts });
    expect(await Task.pop()).toBeNull();

    const ofSources = monitored.all().flatMap(({ name, body }) => {
      if (body[name] !== Source.collection.name) return [];
      const updates = (body['updates'] ?? []) as { q: { _id: { $in: unknown[] } } }[];
      return [body['filter'] as { _id?: { $in: unknown[] } }, ...updates.map(({ q }) => q)];
    });
    const counts = ofSources.map((filter) => filter?._id?.$in?.length ?? 0);
    expect(Math.max(...counts)).toBe(1_000);
  });

  it.each(kinds)('is parked by a pop with few commands: %s, %s', async (type, onFailed) => {
    const Task = await makeTask(type, onFailed);
    const parts = await insertSources();
    await nativeOf(Task).insertMany([
      { state: 'CREATED', parts },
      { state: 'CREATED', parts: parts.slice(1) },
    ]);
    monitored.forget();

    expect(await Task.pop()).toBeNull();

    expect(monitored.all().length).toBeLessThan(25);
    expect(await Task.stats()).toMatchObject({ blocked: 2 });
  });

  it.each(['fail', 'ignore'] as const)(
    'where any is enough is not judged for each that fails, but for the last: %s',
    async (onFailed) => {
      const Task = await makeTask('ANY_OF', onFailed);
      const parts = (await insertSources()).slice(0, 40);
      const { _id } = await Task.push({ parts });
      monitored.forget();

      for (const id of parts.slice(1)) {
        await setState(id, 'FAILED');
        expect(await Task.pop()).toBeNull();
      }
      const parkings = monitored.sent('update').filter(({ body }) => body['update'] === Task.collection.name);
      // By chance: about as many as the logarithm of 40, each with two statements.
      expect(parkings.length).toBeLessThan(40);
      expect((await stored(Task, _id))['state']).toBe('CREATED');
      await setState(parts[0], 'FAILED');

      expect((await Task.pop())?._id).toEqual(onFailed === 'ignore' ? _id : undefined);
      if (onFailed === 'fail') expect((await stored(Task, _id))['state']).toBe('FAILED');
    },
  );

  it('marks all others when an open transaction has written one of them, and is looked at again soon', async () => {
    const Task = await makeTask('ANY_OF', 'wait');
    const parts = await insertSources();
    const session = await monitored.connection.startSession();
    session.startTransaction();
    await nativeOf(Source).updateOne({ _id: parts[1_500] }, { $set: { note: 1 } }, { session });
    monitored.forget();

    const { _id } = await Task.push({ parts });

    expect(monitored.all().length).toBeLessThan(40);
    expect(await markedBy('_task.armed')).toBeGreaterThan(0);
    const { recheckAt } = (await stored(Task, _id))['_task'];
    expect(recheckAt.getTime() - Date.now()).toBeLessThan(30_000);
    await session.abortTransaction();
    await session.endSession();
  });

  it('is one of few that a pop reads at once', async () => {
    const Task = await makeTask('ALL_OF', 'wait');
    const parts = await insertSources();
    const tasks = Array.from({ length: 60 }, (_, at) => ({ state: 'CREATED', parts: [parts[at], ...parts] }));
    await nativeOf(Task).insertMany(tasks);
    monitored.forget();

    expect(await Task.pop()).toBeNull();

    const reads = monitored
      .sent('find')
      .filter(({ body }) => body['find'] === Task.collection.name && body['hint'] === 'task_claim');
    const limits = reads.map(({ body }) => body['limit'] as number);
    expect(Math.max(...limits)).toBeLessThanOrEqual(8);
    // On a busy machine a write may take longer than a pop waits for it: the next ones park what is left.
    await eventually(async () => {
      expect(await Task.pop()).toBeNull();
      expect(await Task.stats()).toMatchObject({ blocked: 60 });
    });
  });
});
