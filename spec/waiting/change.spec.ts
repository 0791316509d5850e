import { Schema, Types, type Connection } from 'mongoose';
import { LeaseLostError, State, taskQueue } from 'mongoose-task-queue';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
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
        source: { ...reference, dependsOn: 'DIRECT' },
        parts: { type: [reference], dependsOn: 'ALL_OF' },
        kind: { type: String, enum: ['Source', 'Report'] },
        about: { type: ObjectId, refPath: 'kind', dependsOn: 'DIRECT' },
      }),
    ),
  );

  return { Source, Report };
}
type Models = ReturnType<typeof makeModels>;

describe('a save that changes what a task waits for', () => {
  const database = useDatabase();
  let Source: Models['Source'];
  let Report: Models['Report'];
  let other: Models;
  let open: InstanceType<Models['Source']>;
  let done: InstanceType<Models['Source']>;

  beforeAll(async () => {
    ({ Source, Report } = makeModels(database.connection));
    other = makeModels(await openConnection(database.uri));
    await Promise.all([Report.pop(), other.Report.pop()]);
  });

  beforeEach(async () => {
    await Promise.all([nativeOf(Source).deleteMany({}), nativeOf(Report).deleteMany({})]);
    open = await Source.push({ name: 'open' });
    done = await (await Source.push({ name: 'done' })).finish();
  });

  const parked = async (fields: object = { source: open._id }) => {
    const report = await Report.push(fields);
    expect(await Report.pop()).toBeNull();
    return report;
  };

  it.each([
    ['to one that is done', (report: InstanceType<Models['Report']>) => report.set('source', done._id)],
    ['to none', (report: InstanceType<Models['Report']>) => report.set('source', undefined)],
    ['to null', (report: InstanceType<Models['Report']>) => report.set('source', null)],
  ])('%s lets it run at the next pop', async (_what, change) => {
    const report = await parked();

    await change(report).save();

    expect((await Report.pop())?.id).toBe(report.id);
  });

  it('by a handle that was loaded lets it run at the next pop', async () => {
    const report = await parked();

    const loaded = (await other.Report.findById(report._id))!;
    loaded.source = done._id;
    await loaded.save();

    expect((await Report.pop())?.id).toBe(report.id);
  });

  it('to another one that is open makes it wait for that', async () => {
    const next = await Source.push({ name: 'next' });
    const report = await parked();

    await report.set('source', next._id).save();
    expect(await Report.pop()).toBeNull();
    await open.finish();
    expect(await Report.pop()).toBeNull();
    await next.finish();

    expect((await Report.pop())?.id).toBe(report.id);
  });

  it('of a ready task to an open one makes it wait', async () => {
    const report = await Report.push({ source: done._id });

    await report.set('source', open._id).save();

    expect(await Report.pop()).toBeNull();
    await open.finish();
    expect((await Report.pop())?.id).toBe(report.id);
  });

  it('takes an element out of a list and lets it run', async () => {
    const report = await parked({ parts: [done._id, open._id] });

    (report.parts as Types.Array<Types.ObjectId>).pull(open._id);
    await report.save();

    expect((await Report.pop())?.id).toBe(report.id);
  });

  it('adds an element to a list and makes it wait', async () => {
    const report = await Report.push({ parts: [done._id] });

    report.parts.push(open._id);
    await report.save();

    expect(await Report.pop()).toBeNull();
  });

  it('changes the model that a `refPath` names', async () => {
    const report = await parked({ kind: 'Report', about: done._id });

    await report.set('kind', 'Source').save();

    expect((await Report.pop())?.id).toBe(report.id);
  });

  it('of something else leaves it parked as it is', async () => {
    const report = await parked();
    const before = (await stored(Report, report._id))['_task'];

    await report.set('name', 'changed').save();

    expect((await stored(Report, report._id))['_task']).toEqual(before);
  });

  it('keeps its place', async () => {
    const report = await parked();
    const later = await Report.push({});

    await report.set('source', done._id).save();

    expect((await Report.popMany(2)).map(({ id }) => id as string)).toEqual([report.id, later.id]);
  });

  it('does not let it run before its time', async () => {
    const report = await Report.push({ source: open._id }, { delayMs: 60_000 });

    await report.set('source', done._id).save();

    expect(await Report.pop()).toBeNull();
    expect(await Report.stats()).toMatchObject({ delayed: 1, blocked: 0 });
  });

  it('together with a push lets it run at the next pop', async () => {
    const report = await parked();

    await report.set('source', done._id).push();

    expect((await Report.pop())?.id).toBe(report.id);
  });

  describe('of a task that somebody else holds by now', () => {
    const held = async () => {
      const report = await parked();
      const loaded = (await Report.findById(report._id))!;
      await open.finish();
      const holder = (await other.Report.pop())!;
      return { loaded, holder, before: (await stored(Report, report._id))['_task'] };
    };

    it('leaves the lease alone', async () => {
      const { loaded, holder, before } = await held();

      await loaded.set('source', new Types.ObjectId()).save();

      expect(await stored(Report, holder._id)).toMatchObject({ state: State.RUNNING, _task: before });
      expect(await Report.pop()).toBeNull();
      await holder.finish();
    });

    it('makes it wait once it is back in the queue', async () => {
      const { loaded, holder } = await held();
      const next = await Source.push({ name: 'next' });
      await loaded.set('source', next._id).save();

      await holder.release();

      expect(await Report.pop()).toBeNull();
      await next.finish();
      expect((await Report.pop())?.id).toBe(loaded.id);
    });
  });

  it('by its holder leaves the lease alone', async () => {
    const report = await Report.push({ source: done._id });
    const task = (await Report.pop())!;
    const before = (await stored(Report, report._id))['_task'];

    await task.set('source', open._id).save();

    expect((await stored(Report, report._id))['_task']).toEqual(before);
    await task.finish();
  });

  it('by a holder whose lease was lost changes nothing', async () => {
    const report = await Report.push({ source: done._id });
    const task = (await Report.pop())!;
    await rawUpdate(Report, report._id, { $set: { '_task.availableAt': new Date(0) } });
    await other.Report.pop();

    await expect(task.set('source', open._id).save()).rejects.toThrow(LeaseLostError);

    expect((await stored(Report, report._id))['source']).toEqual(done._id);
  });

  it('of a document that was never pushed makes no task of it', async () => {
    const draft = await new Report({ source: open._id }).save();

    await draft.set('source', done._id).save();

    expect(await Report.pop()).toBeNull();
    expect(await stored(Report, draft._id)).toMatchObject({ state: State.PENDING });
    expect(await stored(Report, draft._id)).not.toHaveProperty('_task');
  });
});
