import { Schema, type Connection } from 'mongoose';
import { State, taskQueue } from 'mongoose-task-queue';
import { openConnection } from '../support/connections';
import { popSoon } from '../support/pop-soon';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { nativeOf, rawUpdate, stored } from '../support/raw';

const { ObjectId } = Schema.Types;

function makeModels(connection: Connection) {
  const reference = { type: ObjectId, ref: 'Source' };
  const Source = connection.model('Source', taskQueue(new Schema({ name: String })));
  const Report = connection.model(
    'Report',
    taskQueue(
      new Schema({
        name: String,
        source: { ...reference, dependsOn: { type: 'DIRECT', onFailed: 'fail' } },
        mirrors: { type: [reference], dependsOn: 'ANY_OF' },
      }),
    ),
  );

  return { Source, Report };
}
type Models = ReturnType<typeof makeModels>;

describe('in a transaction', () => {
  const database = useDatabase('replicaSet');
  let connection: Connection;
  let Source: Models['Source'];
  let Report: Models['Report'];
  /** What others see. */
  let other: Models;

  beforeAll(async () => {
    ({ connection } = database);
    ({ Source, Report } = makeModels(connection));
    other = makeModels(await openConnection(database.uri));
    await Promise.all([Source.pop(), Report.pop(), other.Report.pop()]);
  });

  beforeEach(async () => {
    await Promise.all([nativeOf(Source).deleteMany({}), nativeOf(Report).deleteMany({})]);
  });

  const isArmed = async (_id: unknown) =>
    '_task' in (await stored(Source, _id)) && 'armed' in (await stored(Source, _id))['_task'];
  const finishRaw = (_id: unknown) => rawUpdate(Source, _id, { $set: { state: 'FINISHED' } });
  const parked = async (name = 'report') => {
    const source = await Source.push({ name });
    const report = await Report.push({ name, source: source._id });
    expect(await Report.pop()).toBeNull();
    return { source, report };
  };

  describe('a push', () => {
    it('is neither seen nor armed before the commit, and waits after it', async () => {
      const source = await Source.push({ name: 'source' });
      const session = await connection.startSession();
      session.startTransaction();
      const report = await Report.push({ source: source._id }, { session });

      expect(await other.Report.countDocuments()).toBe(0);
      expect(await Report.pop()).toBeNull();
      expect(await isArmed(source._id)).toBe(false);
      await session.commitTransaction();
      await session.endSession();

      expect(await Report.pop()).toBeNull();
      expect(await isArmed(source._id)).toBe(true);
      await source.finish();
      expect((await popSoon(Report)).id).toBe(report.id);
    });

    it('leaves nothing when it is aborted', async () => {
      const source = await Source.push({ name: 'source' });
      const session = await connection.startSession();
      session.startTransaction();
      await Report.push({ source: source._id }, { session });
      await session.abortTransaction();
      await session.endSession();

      expect(await Report.pop()).toBeNull();
      expect(await Report.countDocuments()).toBe(0);
      expect(await isArmed(source._id)).toBe(false);
    });

    it('may come together with what it waits for', async () => {
      const [source, report] = await connection.transaction(async (session) => {
        const pushed = await Source.push({ name: 'source' }, { session });
        return [pushed, await Report.push({ source: pushed._id }, { session })] as const;
      });
      expect(await Report.pop()).toBeNull();

      await source.finish();

      expect((await popSoon(Report)).id).toBe(report.id);
    });

    it('fails after the commit where its dependency has failed', async () => {
      const source = await Source.push({ name: 'source' });
      await source.fail('broken');
      const report = await connection.transaction((session) => Report.push({ source: source._id }, { session }));
      expect(report.state).toBe(State.CREATED);

      expect(await Report.pop()).toBeNull();

      expect(await stored(Report, report._id)).toMatchObject({ state: State.FAILED });
    });

    it('with a session but without a transaction is judged at once', async () => {
      const source = await Source.push({ name: 'source' });
      const session = await connection.startSession();
      await Report.push({ source: source._id }, { session });
      await session.endSession();

      expect(await Report.stats()).toMatchObject({ blocked: 1 });
      expect(await isArmed(source._id)).toBe(true);
    });
  });

  describe('a finish', () => {
    it.each(['by its producer', 'by its holder', 'with changes'] as const)(
      '%s wakes nobody before the commit, and everybody after it',
      async (by) => {
        const { source, report } = await parked();
        const task = by === 'by its producer' ? source : (await Source.pop())!;
        if (by === 'with changes') task.name = 'changed';
        const session = await connection.startSession();
        session.startTransaction();
        await task.finish({ session });

        expect(await Report.pop()).toBeNull();
        expect(await Report.stats()).toMatchObject({ blocked: 1 });
        await session.commitTransaction();
        await session.endSession();

        expect((await popSoon(Report)).id).toBe(report.id);
      },
    );

    it('wakes nobody when it is aborted', async () => {
      const { source, report } = await parked();
      const session = await connection.startSession();
      session.startTransaction();
      await source.finish({ session });
      await session.abortTransaction();
      await session.endSession();

      expect(await Report.pop()).toBeNull();
      await source.finish();

      expect((await popSoon(Report)).id).toBe(report.id);
    });

    it('tells idle queues of this process after the commit', async () => {
      const { source, report } = await parked();
      const queue = Report.queue({ pollMs: 60_000, changeStreams: false });
      const next = queue.next();

      await connection.transaction((session) => source.finish({ session }));

      expect(((await next).value as { id: string }).id).toBe(report.id);
      await queue.return();
    });
  });

  it('a save that changes a reference counts after the commit', async () => {
    const { report } = await parked();
    const done = await (await Source.push({ name: 'done' })).finish();
    const session = await connection.startSession();
    session.startTransaction();
    await report.set('source', done._id).save({ session });

    expect(await Report.pop()).toBeNull();
    await session.commitTransaction();
    await session.endSession();

    expect((await popSoon(Report)).id).toBe(report.id);
  });

  describe('that stays open', () => {
    /** Writes a document in a transaction that is still open while `act` runs, and is aborted after it. */
    const whileOpen = async (
      write: (session: Awaited<ReturnType<Connection['startSession']>>) => Promise<unknown>,
      act: () => Promise<void>,
    ) => {
      const session = await connection.startSession();
      session.startTransaction();
      try {
        await write(session);
        await act();
        // Whatever waited for its end would have waited until the server gave it up: then this is refused.
        await nativeOf(Source).findOne({}, { session });
      } finally {
        await session.abortTransaction();
        await session.endSession();
      }
    };
    const touchSource = (_id: unknown) => (session: never) =>
      nativeOf(Source).updateOne({ _id }, { $set: { touched: 1 } }, { session });
    const touchReport = (_id: unknown) => (session: never) =>
      nativeOf(Report).updateOne({ _id }, { $set: { touched: 1 } }, { session });

    it('on a document that is waited for delays no other task, and its own only until it is over', async () => {
      const source = await Source.push({ name: 'locked' });
      const { insertedId } = await nativeOf(Report).insertOne({ state: 'CREATED', priority: 3, source: source._id });
      const free = await Report.push({ name: 'free' });

      await whileOpen(touchSource(source._id) as never, async () => {
        expect((await popSoon(Report)).id).toBe(free.id);
        expect(await Report.pop()).toBeNull();
      });

      await finishRaw(source._id);
      const late = await eventually(async () => (await Report.pop()) ?? Promise.reject(new Error('not yet')));
      expect(late._id).toEqual(insertedId);
    });

    it('on one of several documents leaves the marks on the others', async () => {
      const sources = await Source.push([{ name: 'a' }, { name: 'locked' }, { name: 'c' }]);

      await whileOpen(touchSource(sources[1]!._id) as never, async () => {
        const report = await Report.push({ mirrors: sources.map(({ _id }) => _id) });
        await finishRaw(sources[2]!._id);
        expect((await popSoon(Report)).id).toBe(report.id);
      });
    });

    it('on a document that is waited for does not delay a push', async () => {
      const source = await Source.push({ name: 'locked' });

      await whileOpen(touchSource(source._id) as never, async () => {
        expect(await Report.push({ source: source._id })).toMatchObject({ state: State.CREATED });
      });
    });

    it('on a task that must be parked delays no other task', async () => {
      const source = await Source.push({ name: 'source' });
      const { insertedId } = await nativeOf(Report).insertOne({ state: 'CREATED', priority: 3, source: source._id });
      const free = await Report.push({ name: 'free' });

      await whileOpen(touchReport(insertedId) as never, async () => {
        expect((await popSoon(Report)).id).toBe(free.id);
        expect(await Report.pop()).toBeNull();
      });
    });

    it('on a task that is woken delays no other task, and its own only until it is over', async () => {
      const locked = await parked('locked');
      await parked('one');
      await parked('other');
      await nativeOf(Source).updateMany({}, { $set: { state: 'FINISHED' } });

      await whileOpen(touchReport(locked.report._id) as never, async () => {
        const names: string[] = [];
        await eventually(async () => {
          const task = await Report.pop();
          if (task) names.push(task.name!);
          expect(names.toSorted()).toEqual(['one', 'other']);
        });
      });

      const late = await eventually(async () => (await Report.pop()) ?? Promise.reject(new Error('not yet')));
      expect(late.id).toBe(locked.report.id);
    });

    it('on a document whose watchers were woken delays no pop', async () => {
      const { source, report } = await parked('locked');
      const free = await parked('free');
      await finishRaw(source._id);

      await whileOpen(touchSource(source._id) as never, async () => {
        expect((await popSoon(Report)).id).toBe(report.id);
        await finishRaw(free.source._id);
        expect((await popSoon(Report)).id).toBe(free.report.id);
      });
    });
  });
});
