import { Schema, Types } from 'mongoose';
import { DependencyType, State, taskQueue, type DependencyPolicy } from 'mongoose-task-queue';
import { expectBetween } from '../support/between';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { popSoon } from '../support/pop-soon';
import { nativeOf, rawUpdate, stored } from '../support/raw';

const { ObjectId } = Schema.Types;
const { DIRECT, ALL_OF, ANY_OF } = DependencyType;

const MINUTE_MS = 60_000;

describe('a re-check', () => {
  const database = useDatabase();
  const makeModels = () => {
    const { connection } = database;
    const reference = { type: ObjectId, ref: 'Source' };
    const make = (name: string, onFailed: DependencyPolicy, onMissing: DependencyPolicy) =>
      connection.model(
        name,
        taskQueue(
          new Schema({
            source: { ...reference, dependsOn: { type: DIRECT, onFailed, onMissing } },
            parts: { type: [reference], dependsOn: { type: ALL_OF, onFailed, onMissing } },
            mirrors: { type: [reference], dependsOn: { type: ANY_OF, onFailed, onMissing } },
          }),
          // Some are made to have waited for a day.
          { expireAfterSeconds: 2 * 86_400 },
        ),
      );

    return {
      Source: connection.model('Source', taskQueue(new Schema({ name: String }))),
      Report: make('Report', 'wait', 'wait'),
      Strict: make('Strict', 'fail', 'fail'),
      Lax: make('Lax', 'ignore', 'ignore'),
      /** Fails with a dependency, but waits for one that is missing. */
      Patient: make('Patient', 'fail', 'wait'),
    };
  };
  type Models = ReturnType<typeof makeModels>;
  type Report = Models['Report'];
  let models: Models;
  let Source: Models['Source'];
  let Report: Report;

  beforeAll(async () => {
    models = makeModels();
    ({ Source, Report } = models);
    for (const Model of [Report, models.Strict, models.Lax, models.Patient]) await Model.pop();
  });

  beforeEach(async () => {
    for (const Model of Object.values(models)) await nativeOf(Model).deleteMany({});
  });

  /** Makes the re-checks of all tasks due, and pops until one of them was looked at. */
  const recheckAll = async (Model: Report, nothing = true) => {
    const past = new Date(Date.now() - MINUTE_MS);
    await nativeOf(Model).updateMany({ '_task.recheckAt': { $exists: true } }, { $set: { '_task.recheckAt': past } });
    await eventually(async () => {
      const task = await Model.pop();
      if (nothing) expect(task).toBeNull();
      expect(await nativeOf(Model).countDocuments({ '_task.recheckAt': past })).toBe(0);
    });
  };

  const parked = async (Model: Report, fields: object = {}) => {
    const source = await Source.push({ name: 'source' });
    const report = await Model.push({ source: source._id, ...fields });
    expect(await Model.pop()).toBeNull();
    return { source, report };
  };
  const bookkeepingOf = async (Model: Report, _id: unknown) => (await stored(Model, _id))['_task'];

  describe('finds a dependency that is inserted after its dependents', () => {
    it.each([
      ['a single one', (_id: unknown) => ({ source: _id })],
      ['one of all', (_id: unknown) => ({ parts: [_id] })],
      ['one of any', (_id: unknown) => ({ mirrors: [new Types.ObjectId(), _id] })],
    ])('%s', async (_what, fields) => {
      const _id = new Types.ObjectId();
      const report = await Report.push(fields(_id) as never);
      expect(await Report.pop()).toBeNull();
      await nativeOf(Source).insertOne({ _id, state: 'FINISHED' });

      expect((await popSoon(Report)).id).toBe(report.id);
    });
  });

  it('marks a dependency that was inserted after its dependents, so that its end is noticed at once', async () => {
    const source = new Source({ name: 'source' });
    const report = await Report.push({ source: source._id });
    await source.push();

    await recheckAll(Report);
    await source.finish();

    expect((await Report.pop())?.id).toBe(report.id);
  });

  describe('finds a dependency that was deleted, and', () => {
    it("goes on waiting under onMissing: 'wait'", async () => {
      const { source, report } = await parked(Report);
      await source.deleteOne();

      await recheckAll(Report);

      expect((await stored(Report, report._id))['state']).toBe(State.CREATED);
      await nativeOf(Source).insertOne({ _id: source._id, state: 'FINISHED' });
      await recheckAll(Report, false);
      expect((await stored(Report, report._id))['state']).toBe(State.RUNNING);
    });

    it("fails the task under 'fail'", async () => {
      const { source, report } = await parked(models.Strict);
      await source.deleteOne();

      await recheckAll(models.Strict);

      const failed = (await models.Strict.findById(report._id))!;
      expect(failed.state).toBe(State.FAILED);
      expect(failed.failures).toMatchObject([{ message: `A dependency is missing: Source ${source.id}` }]);
    });

    it("lets it run under 'ignore'", async () => {
      const { source, report } = await parked(models.Lax);
      await source.deleteOne();

      await nativeOf(models.Lax).updateMany({}, { $set: { '_task.recheckAt': new Date(0) } });

      expect((await popSoon(models.Lax)).id).toBe(report.id);
    });
  });

  it('finds a dependency that was replaced, whose mark went with the rest', async () => {
    const { source, report } = await parked(Report);
    await nativeOf(Source).replaceOne({ _id: source._id }, { state: 'FINISHED', name: 'replaced' });
    expect(await Report.pop()).toBeNull();

    await nativeOf(Report).updateMany({}, { $set: { '_task.recheckAt': new Date(0) } });

    expect((await popSoon(Report)).id).toBe(report.id);
  });

  it('finds that another program changed what the task refers to', async () => {
    const { report } = await parked(Report);
    await rawUpdate(Report, report._id, { $unset: { source: 1 } });
    expect(await Report.pop()).toBeNull();

    await nativeOf(Report).updateMany({}, { $set: { '_task.recheckAt': new Date(0) } });

    expect((await popSoon(Report)).id).toBe(report.id);
  });

  it('parks the task behind what another program made it refer to', async () => {
    const { report } = await parked(Report);
    const next = await Source.push({ name: 'next' });
    await rawUpdate(Report, report._id, { $set: { source: next._id } });

    await recheckAll(Report);

    expect((await bookkeepingOf(Report, report._id)).waitingOn).toMatchObject([{ id: next._id }]);
    await next.finish();
    expect((await Report.pop())?.id).toBe(report.id);
  });

  it('fails a task whose mark was lost before its dependency failed', async () => {
    const { source, report } = await parked(models.Strict);
    await rawUpdate(Source, source._id, { $unset: { _task: 1 }, $set: { state: 'FAILED' } });

    await recheckAll(models.Strict);

    expect((await stored(models.Strict, report._id))['state']).toBe(State.FAILED);
  });

  it('looks also at a delayed task, but not before its time', async () => {
    const source = await Source.push({ name: 'source' });
    const report = await Report.push({ source: source._id }, { delayMs: 10 * MINUTE_MS });

    const { dueAt, recheckAt } = await bookkeepingOf(Report, report._id);

    expect(recheckAt).toEqual(dueAt);
  });

  it('lets go of a task that somebody finished by hand', async () => {
    const { report } = await parked(Report);
    await rawUpdate(Report, report._id, { $set: { state: 'FINISHED' } });

    await recheckAll(Report);

    expect(await bookkeepingOf(Report, report._id)).not.toHaveProperty('recheckAt');
    expect(await bookkeepingOf(Report, report._id)).not.toHaveProperty('waitingOn');
  });

  it('takes a bounded number at once', async () => {
    const { source } = await parked(Report);
    await Report.push(Array.from({ length: 999 }, () => ({ source: source._id })));
    const past = new Date(Date.now() - MINUTE_MS);
    await nativeOf(Report).updateMany({}, { $set: { '_task.recheckAt': past } });
    await eventually(async () => {
      await Report.pop();
      expect(await nativeOf(Report).countDocuments({ '_task.recheckAt': past })).toBeLessThan(1_000);
    });

    expect(await nativeOf(Report).countDocuments({ '_task.recheckAt': past })).toBeGreaterThanOrEqual(500);
  });

  describe('of many that come to no end', () => {
    const MANY = 250;
    const past = new Date(Date.now() - 10 * MINUTE_MS);
    /** One whose dependency was replaced: only a re-check finds it. It is due after all others. */
    const pushFindable = async () => {
      const { source, report } = await parked(Report);
      await nativeOf(Source).replaceOne({ _id: source._id }, { state: 'FINISHED' });
      await nativeOf(Report).updateOne({ _id: report._id }, { $set: { '_task.recheckAt': new Date(Date.now() - 1) } });
      return report;
    };
    const refuseNote = (validator: object) =>
      database.connection.db!.command({ collMod: Report.collection.name, validator });

    afterEach(async () => {
      await refuseNote({});
    });

    it('does not keep others from theirs: the server refuses to write them', async () => {
      await Report.push(Array.from({ length: MANY }, () => ({ source: new Types.ObjectId() })));
      await nativeOf(Report).updateMany({}, { $set: { note: 'no more' } });
      await refuseNote({ note: { $exists: false } });
      const report = await pushFindable();
      await nativeOf(Report).updateMany(
        { note: { $exists: true } },
        { $set: { '_task.recheckAt': past } },
        { bypassDocumentValidation: true },
      );

      expect((await popSoon(Report)).id).toBe(report.id);
    });

    it('does not keep others from theirs: what was read is not what is stored', async () => {
      const beyondJavaScript = { $add: [new Date(8.64e15), 1] };
      await Report.push(Array.from({ length: MANY }, () => ({ source: new Types.ObjectId() })));
      await nativeOf(Report).updateMany({}, [{ $set: { source: beyondJavaScript, '_task.recheckAt': past } }]);
      const report = await pushFindable();

      expect((await popSoon(Report)).id).toBe(report.id);
    });
  });

  describe('comes', () => {
    /** When the next look comes, for a task that had waited so long before the last one, which began and ended then. */
    const nextAfter = async (waitedMs: number, ref: 'present' | 'missing') => {
      const source = ref === 'present' ? await Source.push({ name: 'source' }) : null;
      const report = await Report.push({ source: source?._id ?? new Types.ObjectId() });
      await rawUpdate(Report, report._id, { $set: { '_task.expiresFrom': new Date(Date.now() - waitedMs) } });
      const began = Date.now();
      await recheckAll(Report);
      const { recheckAt } = await bookkeepingOf(Report, report._id);

      return { recheckAt: recheckAt as Date, began, ended: Date.now() };
    };

    it.each([
      ['present', 0, 30_000],
      ['present', 10 * MINUTE_MS, 10 * MINUTE_MS],
      ['present', 24 * 60 * MINUTE_MS, 60 * MINUTE_MS],
      ['missing', 0, 1_000],
      ['missing', 10_000, 10_000],
      ['missing', 24 * 60 * MINUTE_MS, 30_000],
    ] as const)('ever later: for a %s one after %i ms in about %i ms', async (ref, waitedMs, expectedMs) => {
      const { recheckAt, began, ended } = await nextAfter(waitedMs, ref);

      // It has waited longer by the time that the looks took.
      expectBetween(recheckAt, began + expectedMs * 0.8, ended + (expectedMs + ended - began) * 1.2);
    });
  });

  describe('of a task that failed with its dependency', () => {
    const failed = async () => {
      const { source, report } = await parked(models.Patient);
      await source.fail();
      expect(await models.Patient.pop()).toBeNull();
      expect((await stored(models.Patient, report._id))['state']).toBe(State.FAILED);
      return { source, report };
    };

    it('queues it again when that was replaced', async () => {
      const { source, report } = await failed();
      await nativeOf(Source).replaceOne({ _id: source._id }, { state: 'FINISHED' });
      await nativeOf(models.Patient).updateMany({}, { $set: { '_task.recheckAt': new Date(0) } });

      expect((await popSoon(models.Patient)).id).toBe(report.id);
    });

    it('makes it wait when that was deleted', async () => {
      const { source, report } = await failed();
      await source.deleteOne();

      await recheckAll(models.Patient);

      await eventually(async () => {
        await models.Patient.pop();
        expect(await stored(models.Patient, report._id)).toMatchObject({
          state: 'CREATED',
          _task: { waitingOn: expect.arrayContaining([expect.objectContaining({ id: source._id })]) },
        });
      });
    });

    it('leaves it as it is while that is still failed, and marks that again', async () => {
      const { source, report } = await failed();
      await rawUpdate(Source, source._id, { $unset: { '_task.armed': 1 } });

      await recheckAll(models.Patient);

      expect((await models.Patient.findById(report._id))!.failures).toHaveLength(1);
      expect((await stored(models.Patient, report._id))['state']).toBe(State.FAILED);
      await source.push();
      expect(await models.Patient.pop()).toBeNull();
      expect((await stored(models.Patient, report._id))['state']).toBe(State.CREATED);
    });

    it('comes also when it was pushed after the failure', async () => {
      const source = await Source.push({ name: 'source' });
      await source.fail();
      const report = await models.Patient.push({ source: source._id });
      await nativeOf(Source).replaceOne({ _id: source._id }, { state: 'FINISHED' });
      await nativeOf(models.Patient).updateMany({}, { $set: { '_task.recheckAt': new Date(0) } });

      expect((await popSoon(models.Patient)).id).toBe(report.id);
    });

    it('lets go of it when somebody finished it by hand', async () => {
      const { report } = await failed();
      await rawUpdate(models.Patient, report._id, { $set: { state: 'FINISHED' } });

      await recheckAll(models.Patient);

      expect(await bookkeepingOf(models.Patient, report._id)).not.toHaveProperty('recheckAt');
    });

    it('does not come when that was missing', async () => {
      const pushed = await models.Strict.push({ source: new Types.ObjectId() });

      expect(await stored(models.Strict, pushed._id)).toMatchObject({ state: State.FAILED });
      expect(await bookkeepingOf(models.Strict, pushed._id)).not.toHaveProperty('recheckAt');
    });
  });
});
