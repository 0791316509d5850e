import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Schema, type Connection, type mongo, type Types } from 'mongoose';
import { DependencyType, taskQueue, Worker } from 'mongoose-task-queue';
import { startServers, type Servers } from './faults/servers';
import type { Mode } from './faults/modes';
import { openConnection } from './support/connections';
import { eventually } from './support/eventually';
import { beforeNext } from './support/interleave';
import { nativeOf } from './support/raw';
import { stored } from './support/raw';

/** Longer than a claim waits for a locked document. */
const LAG_MS = 600;

describe('a write that the majority has late', () => {
  let folder: string;
  let servers: Servers;
  let connection: Connection;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'write-concern-'));
    servers = await startServers({ servers: 'set of three' } as Mode, folder);
    connection = await openConnection(servers.uri);
  });

  afterAll(async () => {
    await servers.heal();
    await servers.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const secondaries = async () => {
    const primary = await servers.primary();
    return servers.all.filter((server) => server !== primary);
  };

  /** The secondaries stand still for a moment; what is done meanwhile is acknowledged after it. */
  async function lagging<T>(act: () => Promise<T>): Promise<T> {
    const others = await secondaries();
    others.forEach((server) => server.freeze());
    const thawing = setTimeout(() => others.forEach((server) => server.thaw()), LAG_MS);
    try {
      return await act();
    } finally {
      clearTimeout(thawing);
      others.forEach((server) => server.thaw());
    }
  }

  const makeModel = (name: string) =>
    connection.model(name, taskQueue(new Schema({ n: Number }), { maxAttempts: 1, leaseMs: 600_000 }));

  it.each([1, 5])('pop(): %i callers get the tasks they claimed, with one attempt charged', async (callers) => {
    const Job = makeModel(`Pop${callers}`);
    await Job.push(Array.from({ length: callers }, (_, n) => ({ n })));
    await Job.isEmpty();

    const tasks = await lagging(() => Promise.all(Array.from({ length: callers }, () => Job.pop())));

    expect(tasks.map((task) => task?.n).sort()).toEqual(Array.from({ length: callers }, (_, n) => n));
    expect(tasks.map((task) => task?.attempts)).toEqual(tasks.map(() => 1));
  });

  it('popMany() hands out what it claimed', async () => {
    const Job = makeModel('PopMany');
    await Job.push([{ n: 0 }, { n: 1 }, { n: 2 }]);
    await Job.isEmpty();

    const tasks = await lagging(() => Job.popMany(3));

    expect(tasks.map(({ n }) => n)).toEqual([0, 1, 2]);
  });

  it('popMany() takes the others where one is locked by a transaction, and gives none away unacknowledged', async () => {
    const Job = makeModel('Locked');
    const [, second] = await Job.push([{ n: 0 }, { n: 1 }, { n: 2 }]);
    await Job.isEmpty();
    const session = await connection.startSession();
    session.startTransaction({ writeConcern: { w: 1 } });
    await Job.updateOne({ _id: second!._id }, { n: 10 }, { session });

    const tasks = await lagging(() => Job.popMany(3));

    expect(tasks.map(({ n }) => n)).toEqual([0, 2]);
    await session.abortTransaction();
    await session.endSession();
  });

  it('a lease that is shorter than that does not end before the task is handed out', async () => {
    const schema = taskQueue(new Schema({ n: Number }), { leaseMs: LAG_MS / 2 });
    const Job = connection.model('ShortLease', schema);
    await Job.push([{ n: 0 }, { n: 1 }, { n: 2 }]);
    await Job.isEmpty();

    const [one, many] = await lagging(async () => [await Job.pop(), await Job.popMany(2)] as const);

    expect([one?.attempts, ...many.map(({ attempts }) => attempts)]).toEqual([1, 1, 1]);
    expect(one?.lease?.fence).toBe(1);
  });

  it('a Worker performs every task once', async () => {
    const Job = makeModel('Worked');
    await Job.push(Array.from({ length: 20 }, (_, n) => ({ n })));
    await Job.isEmpty();
    const done: number[] = [];
    const worker = new Worker(Job, { handler: ({ n }) => void done.push(n!), concurrency: 4, pollMs: 50 });

    await lagging(async () => {
      await worker.start();
      await eventually(() => expect(done).toHaveLength(20));
    });
    await worker.stop();

    expect(done.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => n));
    expect(await Job.countDocuments({ state: 'RUNNING' })).toBe(0);
  });

  it('a task is parked, marked and woken', async () => {
    const Part = connection.model('Part', taskQueue(new Schema({})));
    const Whole = connection.model(
      'Whole',
      taskQueue(
        new Schema({
          part: { type: Schema.Types.ObjectId, ref: 'Part', dependsOn: { type: DependencyType.DIRECT } },
        }),
        { recheckMs: 600_000 },
      ),
    );
    await Promise.all([Part.isEmpty(), Whole.isEmpty()]);
    const part = await Part.push({});
    // As another program writes it: the first pop parks it.
    await Whole.collection.insertOne({ state: 'CREATED', part: part._id } as never);

    expect(await lagging(() => Whole.pop())).toBeNull();
    const popped = await Part.pop();
    await lagging(() => popped!.finish());

    expect(await lagging(() => Whole.pop())).toMatchObject({ part: part._id, attempts: 1 });
  });

  /** The primary carries these commands out and says that their time was over before a majority had what they wrote: `times` times. */
  async function unconfirmed<T>(failCommands: readonly string[], times: number, act: () => Promise<T>): Promise<T> {
    const primary = await servers.primary();
    const set = (mode: unknown, data = {}) => primary.command({ configureFailPoint: 'failCommand', mode, data });
    const writeConcernError = { code: 50, codeName: 'MaxTimeMSExpired', errmsg: 'operation exceeded time limit' };
    await set({ times }, { failCommands, writeConcernError });
    try {
      return await act();
    } finally {
      await set('off');
    }
  }

  it('pop() that finds nothing says so at once', async () => {
    const Job = makeModel('Nothing');
    await Job.isEmpty();

    expect(await unconfirmed(['findAndModify', 'update'], 1_000, () => Job.pop())).toBeNull();
  });

  it('of two processes that claim one task that has dependencies, one gets it and the other is told of none', async () => {
    const other = await openConnection(servers.uri);
    const [Whole, Same] = [connection, other].map((one) =>
      one.model(
        'Raced',
        taskQueue(
          new Schema({ part: { type: Schema.Types.ObjectId, ref: 'Raced', dependsOn: DependencyType.DIRECT } }),
        ),
      ),
    ) as [ReturnType<typeof makeModel>, ReturnType<typeof makeModel>];
    await Promise.all([Whole.isEmpty(), Same.isEmpty()]);
    const pushed = await Whole.push({});
    // The other has judged it, too, and comes to its claim a moment later.
    let first: unknown;
    const race = beforeNext(Same, 'findOneAndUpdate', async () => (first = await Whole.pop()));

    const second = await unconfirmed(['findAndModify'], 1_000, () => Same.pop());

    expect(race.happened).toBe(true);
    expect(first).toMatchObject({ _id: pushed._id, attempts: 1, lease: { fence: 1 } });
    expect(second).toBeNull();
  });

  it('a claim that others have undone each time before a majority had it is made again', async () => {
    const Job = makeModel('Undone');
    await Job.push({ n: 1 });
    await Job.isEmpty();
    const undo = () =>
      nativeOf(Job).updateOne(
        {},
        { $set: { state: 'CREATED', '_task.availableAt': new Date(0), '_task.attempts': 0 } },
      );
    const undone = beforeNext(Job, 'updateOne', async () => {
      await undo();
      beforeNext(Job, 'updateOne', undo);
    });

    const task = await unconfirmed(['findAndModify'], 3, () => Job.pop());

    expect(undone.happened).toBe(true);
    expect(task).toMatchObject({ n: 1, attempts: 1, lease: { fence: 3 } });
  });

  it.each([1, 3])('a claim of %i that no majority has in time is given back and not charged', async (limit) => {
    const Job = makeModel(`GivenBack${limit}`);
    await Job.push(Array.from({ length: limit }, (_, n) => ({ n })));
    await Job.isEmpty();

    const popping = unconfirmed(['findAndModify', 'update'], 1_000, () => Job.popMany(limit));

    await expect(popping).rejects.toMatchObject({ code: 50 });
    await eventually(async () => expect(await Job.countDocuments({ state: 'CREATED' })).toBe(limit));
    expect((await Job.popMany(limit)).map(({ attempts }) => attempts)).toEqual(Array.from({ length: limit }, () => 1));
  });

  /** What only the primary has is lost: it is killed once `isWritten` holds there, and the others go on without it. */
  async function rollingBack<T>(isWritten: () => Promise<boolean>, act: () => Promise<T>): Promise<T> {
    const primary = await servers.primary();
    const others = await secondaries();
    // One that only stands still would find the next writes in its socket.
    await Promise.all(others.map((server) => server.kill()));
    const acting = act();
    acting.catch(() => {});
    await eventually(async () => expect(await isWritten()).toBe(true));
    await primary.kill();
    await Promise.all(others.map((server) => server.start()));
    try {
      return await acting;
    } finally {
      await primary.start();
    }
  }

  it.each([1, 3])('a claim of %i that is rolled back is made again, and counts once', async (limit) => {
    const Job = makeModel(`RolledBack${limit}`);
    await Job.push(Array.from({ length: limit }, (_, n) => ({ n })));
    await Job.isEmpty();
    const running = async () => (await Job.countDocuments({ state: 'RUNNING' })) === limit;

    const tasks = await rollingBack(running, () => Job.popMany(limit));

    expect(tasks.map(({ n }) => n)).toEqual(Array.from({ length: limit }, (_, n) => n));
    const stored = await Job.find().lean<{ _task: { token: Types.ObjectId; claims: number } }[]>();
    expect(stored.map(({ _task: task }) => task.token.toHexString())).toEqual(tasks.map((task) => task.lease?.token));
    expect(stored.map(({ _task: task }) => task.claims)).toEqual(tasks.map((task) => task.lease?.fence));
  });

  it('a task whose dependency is finished only where it is rolled back is not handed out', async () => {
    const Source = connection.model('Source', taskQueue(new Schema({})));
    const Report = connection.model(
      'Report',
      taskQueue(
        new Schema({
          source: { type: Schema.Types.ObjectId, ref: 'Source', dependsOn: { type: DependencyType.DIRECT } },
        }),
      ),
    );
    await Promise.all([Source.isEmpty(), Report.isEmpty()]);
    const source = await Source.push({});
    // As another program writes it: nobody has judged it before.
    const report = new Report({ source: source._id, state: 'CREATED' });
    await report.save();
    const isClaimed = async () => (await Report.findById(report._id))?.state === 'RUNNING';

    const popped = await rollingBack(isClaimed, async () => {
      await Source.updateOne({ _id: source._id }, { state: 'FINISHED' }, { writeConcern: { w: 1 } });
      return Report.pop();
    });

    expect(popped).toBeNull();
    expect(await Source.findById(source._id)).toMatchObject({ state: 'CREATED' });
    expect(await Report.findById(report._id)).toMatchObject({ state: 'CREATED' });
  });

  /** Nothing new comes to the secondaries, which stay members, until `end`. */
  async function holdBack(): Promise<{ end(): Promise<unknown> }> {
    const held = await secondaries();
    const point = { configureFailPoint: 'stopReplProducer' };
    const before = await Promise.all(held.map((server) => server.command({ ...point, mode: 'alwaysOn' })));
    const isReached = ({ count }: mongo.Document) => ({ timesEntered: Number(count) + 1, maxTimeMS: 120_000 });
    await Promise.all(
      held.map((server, index) =>
        server.command({ waitForFailPoint: 'stopReplProducer', ...isReached(before[index]!) }),
      ),
    );

    return { end: () => Promise.all(held.map((server) => server.command({ ...point, mode: 'off' }))) };
  }

  it.each(['pushed', 'popped'] as const)(
    'a mark that is rolled back is set again, although its confirmation comes: the task was %s',
    async (when) => {
      const Leg = connection.model(`Leg${when}`, taskQueue(new Schema({})));
      const dependsOn = { type: DependencyType.DIRECT };
      const schema = new Schema({ leg: { type: Schema.Types.ObjectId, ref: Leg.modelName, dependsOn } });
      const Table = connection.model(`Table${when}`, taskQueue(schema, { recheckMs: 3_600_000 }));
      await Promise.all([Leg.isEmpty(), Table.isEmpty()]);
      const leg = await Leg.push({});
      const primary = await servers.primary();
      let held: { end(): Promise<unknown> };
      // Parked as the majority has it; of the mark the primary alone knows, and dies before it is confirmed.
      const arming = beforeNext(Leg, 'updateMany', async () => void (held = await holdBack()));
      const confirming = beforeNext(Leg, 'updateOne', async () => {
        expect((await stored(Leg, leg._id))['_task']).toHaveProperty('armed');
        await primary.kill();
        await servers.primary();
        await held.end();
      });

      if (when === 'popped') await Table.collection.insertOne({ state: 'CREATED', leg: leg._id } as never);
      const parked = await (when === 'pushed' ? Table.push({ leg: leg._id }) : Table.pop());

      expect([arming.happened, confirming.happened]).toEqual([true, true]);
      expect(parked === null).toBe(when === 'popped');
      await primary.start();
      expect((await stored(Leg, leg._id))['_task']).toHaveProperty('armed');
      const popped = await Leg.pop();
      await popped!.finish();
      expect(await Table.pop()).toMatchObject({ leg: leg._id });
    },
  );
});
