import { Schema, type Connection } from 'mongoose';
import { DependencyType, State, taskQueue, type DependencyPolicy } from 'mongoose-task-queue';
import { expectBetween } from '../support/between';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { beforeNext, isOfReady, stop } from '../support/interleave';
import { endLease, nativeOf, rawUpdate, stored } from '../support/raw';

const { ObjectId } = Schema.Types;
const { DIRECT, ALL_OF, ANY_OF } = DependencyType;

function makeModels(connection: Connection) {
  const reference = { type: ObjectId, ref: 'Source' };
  const Source = connection.model('Source', taskQueue(new Schema({ name: String })));
  const make = (name: string, onFailed: DependencyPolicy) =>
    connection.model(
      name,
      taskQueue(
        new Schema({
          source: { ...reference, dependsOn: { type: DIRECT, onFailed } },
          parts: { type: [reference], dependsOn: { type: ALL_OF, onFailed } },
          mirrors: { type: [reference], dependsOn: { type: ANY_OF, onFailed } },
        }),
        { recheckMs: 500 },
      ),
    );

  return { Source, Report: make('Report', 'wait'), Strict: make('Strict', 'fail'), Lax: make('Lax', 'ignore') };
}
type Models = ReturnType<typeof makeModels>;

describe('a task that must wait', () => {
  const database = useDatabase();
  let Source: Models['Source'];
  let Report: Models['Report'];
  let models: Models;
  /** The same models in what might be another process. */
  let other: Models;

  beforeAll(async () => {
    models = makeModels(database.connection);
    ({ Source, Report } = models);
    other = makeModels(await openConnection(database.uri));
    for (const { Report, Strict, Lax } of [models, other]) for (const Model of [Report, Strict, Lax]) await Model.pop();
  });

  beforeEach(async () => {
    for (const Model of Object.values(models)) await nativeOf(Model).deleteMany({});
  });

  const pushSources = async (count: number) =>
    Source.push(Array.from({ length: count }, (_, index) => ({ name: String(index) })));
  const marksOf = async (_id: unknown): Promise<string[]> =>
    Object.keys((await stored(Source, _id))['_task']?.armed ?? {});
  const finishRaw = (_id: unknown) => rawUpdate(Source, _id, { $set: { state: 'FINISHED' } });
  /** As another program inserts it: no process has judged it. */
  const insertRaw = async (fields: object): Promise<unknown> =>
    (await nativeOf(Report).insertOne({ state: 'CREATED', ...fields })).insertedId;

  describe.each(['pushed', 'popped'] as const)('is parked when it is %s', (when) => {
    const parked = async (fields: object) => {
      const _id = when === 'pushed' ? (await Report.push(fields))._id : await insertRaw(fields);
      if (when === 'popped') expect(await Report.pop()).toBeNull();
      return stored(Report, _id);
    };

    it('out of the claim order, with its own time kept and a time for a second look', async () => {
      const [source] = await pushSources(1);
      const before = Date.now();

      const raw = await parked({ source: source!._id });

      expect(raw['state']).toBe(State.CREATED);
      expect(raw['_task']).toMatchObject({
        availableAt: new Date('9999-12-31T00:00:00Z'),
        waitingOn: [{ id: source!._id }],
      });
      expect(raw['_task']).not.toHaveProperty('token');
      const { dueAt, recheckAt } = raw['_task'] as { dueAt: Date; recheckAt: Date };
      expectBetween(dueAt, before, Date.now());
      expect(recheckAt.getTime() - dueAt.getTime()).toBeGreaterThanOrEqual(390);
      expectBetween(recheckAt, before, Date.now());
    });

    it('behind one document of ALL_OF, which alone is marked', async () => {
      const sources = await pushSources(5);

      const raw = await parked({ parts: sources.map(({ _id }) => _id) });

      const { waitingOn } = raw['_task'] as { waitingOn: { id: unknown }[] };
      expect(waitingOn).toHaveLength(1);
      const marked = await nativeOf(Source).distinct('_id', { '_task.armed': { $exists: true } });
      expect(marked).toEqual(waitingOn.map(({ id }) => id));
    });

    it('behind each document of ANY_OF, which all are marked', async () => {
      const sources = await pushSources(3);
      const ids = sources.map(({ _id }) => _id);

      const raw = await parked({ mirrors: ids });

      expect(raw['_task']).toMatchObject({ waitingOn: ids.map((id) => ({ id })) });
      for (const _id of ids) expect(await marksOf(_id)).toHaveLength(1);
    });

    it('behind one clause of several', async () => {
      const [source, part, mirror] = await pushSources(3);

      const raw = await parked({ source: source!._id, parts: [part!._id], mirrors: [mirror!._id] });

      expect(raw['_task'].waitingOn).toMatchObject([{ id: source!._id }]);
      expect(await marksOf(part!._id)).toEqual([]);
    });
  });

  it('is parked in the order in which it was given, among ready ones', async () => {
    const [source] = await pushSources(1);
    const pushed = await Report.push([{}, { source: source!._id }, {}, { parts: [source!._id] }]);

    expect(await Report.stats()).toMatchObject({ ready: 2, blocked: 2 });
    expect((await Report.popMany(5)).map(({ id }) => id as string)).toEqual([pushed[0]!.id, pushed[2]!.id]);
  });

  it('spreads over the documents of ALL_OF', async () => {
    const sources = await pushSources(3);
    await Report.push(Array.from({ length: 60 }, () => ({ parts: sources.map(({ _id }) => _id) })));

    const waitedFor = await nativeOf(Report).distinct('_task.waitingOn.id');

    expect(waitedFor).toHaveLength(3);
  });

  describe('marks what it waits for', () => {
    it.each([
      ['wait', 'CREATED', 1],
      ['fail', 'CREATED', 2],
      ['ignore', 'CREATED', 2],
      ['wait', 'FAILED', 1],
    ] as const)("under onFailed: '%s' while that is %s with %i of its conditions", async (policy, state, count) => {
      const [source] = await pushSources(1);
      await rawUpdate(Source, source!._id, { $set: { state } });

      await { wait: Report, fail: models.Strict, ignore: models.Lax }[policy].push({ source: source!._id });

      expect(await marksOf(source!._id)).toHaveLength(count);
    });

    it('for its success alone where it has failed already and others are left', async () => {
      const [failed, open] = await pushSources(2);
      await failed!.fail();

      await models.Strict.push({ mirrors: [failed!._id, open!._id] });

      expect(await marksOf(failed!._id)).toHaveLength(1);
      expect(await marksOf(open!._id)).toEqual(expect.arrayContaining(await marksOf(failed!._id)));
    });

    it('for the end of its failure where it failed the task', async () => {
      const [source] = await pushSources(1);
      await source!.fail();
      const doomed = await models.Strict.push({ source: source!._id });
      const marks = await marksOf(source!._id);

      expect(marks).toHaveLength(1);
      expect((await stored(models.Strict, doomed._id))['_task'].doomedBy).toEqual([
        { mark: marks[0], id: source!._id },
      ]);
      const waiting = await models.Strict.push({ source: (await pushSources(1))[0]!._id });
      const [{ _id: other }] = (await nativeOf(Source).find({ state: 'CREATED' }).toArray()) as [{ _id: unknown }];
      expect(waiting.state).toBe(State.CREATED);
      expect(await marksOf(other)).not.toContain(marks[0]);
    });

    it('once, however often it is parked', async () => {
      const [source] = await pushSources(1);
      for (let time = 0; time < 3; time++) await Report.push({ source: source!._id });

      expect(await marksOf(source!._id)).toHaveLength(1);
    });

    describe('later, where no majority has the mark in time,', () => {
      /** The answer of the server to what was applied. */
      const tooLate = () => {
        throw Object.assign(new Error('waiting for replication timed out'), UNCONFIRMED);
      };
      const UNCONFIRMED = { name: 'MongoWriteConcernError', code: 64 };

      it('of a task that is in the queue once it is pushed', async () => {
        const [source] = await pushSources(1);
        const steps = [beforeNext(Source, 'updateMany', tooLate), beforeNext(Source, 'updateOne', tooLate)];

        const report = await Report.push({ source: source!._id });

        expect(steps).toEqual([{ happened: true }, { happened: true }]);
        expect(report.isNew).toBe(false);
        await eventually(async () => expect(await marksOf(source!._id)).toHaveLength(1));
      });

      it('of one that a pop has parked', async () => {
        const [source] = await pushSources(1);
        const _id = await insertRaw({ source: source!._id });
        const steps = [beforeNext(Source, 'updateMany', tooLate), beforeNext(Source, 'updateOne', tooLate)];

        await expect(Report.pop()).rejects.toThrow('timed out');

        expect(steps).toEqual([{ happened: true }, { happened: true }]);
        expect((await stored(Report, _id))['_task']).toHaveProperty('waitingOn');
        await eventually(async () => expect(await marksOf(source!._id)).toHaveLength(1));
      });

      it('also where that is said of the task itself', async () => {
        const dependsOn = { type: DIRECT };
        const schema = new Schema({ source: { type: ObjectId, ref: 'Source', dependsOn } });
        const Patient = database.connection.model('Patient', taskQueue(schema));
        const [source] = await pushSources(1);
        const insert = beforeNext(Patient, 'insertOne', tooLate);

        await expect(Patient.push({ source: source!._id })).rejects.toThrow('timed out');

        expect(insert.happened).toBe(true);
        await eventually(async () => expect(await marksOf(source!._id)).toHaveLength(1));
      });
    });
  });

  it('is parked by whoever finds it when the lease of its holder ended', async () => {
    const [source] = await pushSources(1);
    await source!.finish();
    const report = await Report.push({ source: source!._id });
    await Report.pop();
    await rawUpdate(Source, source!._id, { $set: { state: 'CREATED' } });
    await endLease(Report, report._id);
    expect(await Report.pop()).toBeNull();
    expect(await stored(Report, report._id)).toMatchObject({
      state: 'CREATED',
      _task: { waitingOn: [{ id: source!._id }] },
    });

    await source!.finish().catch(() => {});
    await finishRaw(source!._id);

    expect((await Report.pop())?.lease).toMatchObject({ attempt: 2, fence: 2 });
  });

  it('does not keep a pop from the tasks behind it, however many they are', async () => {
    const [source] = await pushSources(1);
    await nativeOf(Report).insertMany(
      Array.from({ length: 1_500 }, () => ({ state: 'CREATED', priority: 3, source: source!._id })),
    );
    const free = await Report.push({});

    expect((await Report.pop())?.id).toBe(free.id);

    // A pop parks so many at once; the next one goes on.
    const { blocked } = await Report.stats();
    expect(blocked).toBeGreaterThanOrEqual(1_000);
    expect(await Report.pop()).toBeNull();
    expect(await Report.stats()).toMatchObject({ blocked: 1_500 });
  });

  describe('between two steps', () => {
    it.each([
      ['its judgement and its parking', 'Report', 'bulkWrite'],
      ['its parking and the mark', 'Source', 'updateMany'],
    ] as const)('is woken when the document is finished between %s', async (_when, model, method) => {
      const [source] = await pushSources(1);
      const _id = await insertRaw({ source: source!._id });
      const moment = beforeNext(models[model] as Models['Source'], method, () => finishRaw(source!._id));

      // The pop itself may come to read the outbox after that.
      const task = (await Report.pop()) ?? (await Report.pop());

      expect(moment.happened).toBe(true);
      expect(task?._id).toEqual(_id);
    });

    it.each([
      ['its judgement and its insertion', 'Report', 'insertOne'],
      ['its insertion and the mark', 'Source', 'updateMany'],
    ] as const)('is woken by the next pop when the document is finished between %s', async (_when, model, method) => {
      const [source] = await pushSources(1);
      const moment = beforeNext(models[model] as Models['Source'], method, () => finishRaw(source!._id));

      const report = await Report.push({ source: source!._id });

      expect(moment.happened).toBe(true);
      expect((await Report.pop())?.id).toBe(report.id);
    });

    it('is woken when the document is finished, and looked at by others, before it is parked', async () => {
      const [source] = await pushSources(1);
      const _id = await insertRaw({ source: source!._id });
      const moment = beforeNext(Report, 'bulkWrite', async () => {
        await finishRaw(source!._id);
        const first = await other.Report.push({ priority: 3 });
        // It takes another task, and leaves no mark that it can see.
        expect((await other.Report.pop())?.id).toBe(first.id);
        await other.Report.stats();
      });

      const task = (await Report.pop()) ?? (await Report.pop());

      expect(moment.happened).toBe(true);
      expect(task?._id).toEqual(_id);
    });

    it('is left as it is when somebody finishes it before it is parked', async () => {
      const [source] = await pushSources(1);
      const _id = await insertRaw({ source: source!._id });
      const finish = () => rawUpdate(Report, _id, { $set: { state: 'FINISHED' } });
      const moment = beforeNext(Report, 'bulkWrite', finish);

      expect(await Report.pop()).toBeNull();

      expect(moment.happened).toBe(true);
      expect(await stored(Report, _id)).toEqual({ _id, state: 'FINISHED', source: source!._id });
    });

    it('is judged by its new references when somebody changes them before it is parked', async () => {
      const [source, done] = await pushSources(2);
      await done!.finish();
      const _id = await insertRaw({ source: source!._id });
      const change = () => rawUpdate(Report, _id, { $set: { source: done!._id } });
      const moment = beforeNext(Report, 'bulkWrite', change);

      expect((await Report.pop())?._id).toEqual(_id);

      expect(moment.happened).toBe(true);
    });

    it('is judged by its new references when somebody changes them before it is claimed', async () => {
      const [source, done] = await pushSources(2);
      await done!.finish();
      const report = await Report.push({ source: done!._id });
      const change = () => rawUpdate(Report, report._id, { $set: { source: source!._id } });
      const moment = beforeNext(Report, 'findOneAndUpdate', change, isOfReady);
      expect(await Report.pop()).toBeNull();

      expect(moment.happened).toBe(true);
      expect(await stored(Report, report._id)).toMatchObject({
        state: 'CREATED',
        _task: { waitingOn: [{ id: source!._id }] },
      });
      await finishRaw(source!._id);
      expect((await Report.pop())?.lease).toMatchObject({ attempt: 1, fence: 2 });
    });

    it('is judged by new references that are hidden from claims, too', async () => {
      const source = { type: ObjectId, ref: 'Source', select: false, dependsOn: DIRECT };
      const Hidden = database.connection.model('Hidden', taskQueue(new Schema({ source })));
      await Hidden.pop();
      const [open, done] = await pushSources(2);
      await done!.finish();
      const hidden = await Hidden.push({ source: done!._id });
      const change = () => rawUpdate(Hidden, hidden._id, { $set: { source: open!._id } });
      const moment = beforeNext(Hidden, 'findOneAndUpdate', change, isOfReady);
      expect(await Hidden.pop()).toBeNull();

      expect(moment.happened).toBe(true);
      await finishRaw(open!._id);
      const task = (await Hidden.pop())!;
      expect(task.toObject()).not.toHaveProperty('source');
      expect(task.lease).toMatchObject({ attempt: 1, fence: 2 });
    });

    it('is left to who takes it over before it is parked', async () => {
      const [source] = await pushSources(1);
      await source!.finish();
      const report = await Report.push({ source: source!._id });
      await Report.pop();
      await rawUpdate(Source, source!._id, { $set: { state: 'CREATED' } });
      await endLease(Report, report._id);
      // Of the task only the token and the end of the lease change.
      const moment = beforeNext(Report, 'bulkWrite', async () => {
        await finishRaw(source!._id);
        expect((await other.Report.pop())?.id).toBe(report.id);
      });

      expect(await Report.pop()).toBeNull();

      expect(moment.happened).toBe(true);
      expect(await stored(Report, report._id)).toMatchObject({ state: 'RUNNING', _task: { attempts: 2, claims: 2 } });
    });

    it('is left to who claims it before it is parked', async () => {
      const [source] = await pushSources(1);
      const _id = await insertRaw({ source: source!._id });
      const winners: unknown[] = [];
      const moment = beforeNext(Report, 'bulkWrite', async () => {
        await finishRaw(source!._id);
        winners.push((await other.Report.pop())?.lease?.until);
      });

      expect(await Report.pop()).toBeNull();

      expect(moment.happened).toBe(true);
      const raw = await stored(Report, _id);
      expect([raw['state'], raw['_task'].availableAt]).toEqual([State.RUNNING, ...winners]);
    });
  });

  describe('although its process stops on the way', () => {
    it.each([
      ['before it is parked', 'Report', 'bulkWrite'],
      ['between its parking and the mark', 'Source', 'updateMany'],
    ] as const)('runs %s', async (_when, model, method) => {
      const [source] = await pushSources(1);
      const _id = await insertRaw({ source: source!._id });
      beforeNext(models[model] as Models['Source'], method, stop);
      await expect(Report.pop()).rejects.toThrow('The process stops here.');
      await finishRaw(source!._id);

      const task = await eventually(async () => (await other.Report.pop()) ?? Promise.reject(new Error('not yet')));

      expect(task._id).toEqual(_id);
    });

    it('runs when that was between its push and the mark', async () => {
      const [source] = await pushSources(1);
      beforeNext(Source, 'updateMany', stop);
      await expect(Report.push({ source: source!._id })).rejects.toThrow('The process stops here.');
      await finishRaw(source!._id);

      const task = await eventually(async () => (await other.Report.pop()) ?? Promise.reject(new Error('not yet')));

      expect(task.source).toEqual(source!._id);
    });

    it('is queued again when that was between its failure with a dependency and the mark', async () => {
      const [source] = await pushSources(1);
      const report = await models.Strict.push({ source: source!._id });
      await source!.fail();
      beforeNext(Source, 'updateMany', stop);
      await expect(models.Strict.pop()).rejects.toThrow('The process stops here.');
      expect((await stored(models.Strict, report._id))['state']).toBe(State.FAILED);
      await finishRaw(source!._id);

      const task = await eventually(async () => (await other.Strict.pop()) ?? Promise.reject(new Error('not yet')));

      expect(task.id).toBe(report.id);
    });

    it('gives back what the pop had taken before it parked others', async () => {
      const [source] = await pushSources(1);
      const free = await Report.push({ priority: 3 });
      await insertRaw({ source: source!._id, priority: 2 });
      beforeNext(Report, 'bulkWrite', stop);
      await expect(Report.popMany(2)).rejects.toThrow('The process stops here.');

      const task = (await Report.pop())!;

      expect([task.id, task.attempts]).toEqual([free.id, 1]);
    });
  });
});
