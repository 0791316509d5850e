import { type mongo, Schema, Types } from 'mongoose';
import { State, taskQueue } from 'mongoose-task-queue';
import { drain } from 'mongoose-task-queue/testing';
import { type BeanieTask, type Links, moveBeanieTasks, type Push } from '../../../examples/moving/beanie';
import { useDatabase } from '../../support/database';

const MINUTE = 60_000;
const at = (ms: number) => new Date(Date.now() + ms);

/** A task as beanie-batteries-queue 0.4.0 with Beanie 2.2.0 stored it, without its own fields. */
function stored(name: string, task: Partial<BeanieTask> = {}): BeanieTask {
  return { _id: new Types.ObjectId(), created_at: at(-MINUTE), name, priority: 2, state: 'CREATED', ...task };
}

describe('moving from beanie-batteries-queue', () => {
  const database = useDatabase();
  const makeSource = () => database.connection.model('Source', taskQueue(new Schema({ name: String })), 'sources');
  const makeReport = () => {
    const ref = { type: Schema.Types.ObjectId, ref: 'Source' };
    const schema = new Schema({
      name: String,
      sources: [{ ...ref, dependsOn: 'ALL_OF' }],
      any: [{ ...ref, dependsOn: 'ANY_OF' }],
      direct: { ...ref, dependsOn: 'DIRECT' },
    });
    return database.connection.model('Report', taskQueue(schema), 'reports');
  };
  let Source: ReturnType<typeof makeSource>;
  let Report: ReturnType<typeof makeReport>;

  const links: Links = { sources: 'ALL_OF', any: 'ANY_OF', direct: 'DIRECT' };
  const pushSource: Push = ({ _id, name, priority }, _, options) =>
    Source.push({ _id, name: String(name), priority }, options);
  const pushReport: Push = ({ _id, name }, { sources = [], any = [], direct = [] }, options) =>
    Report.push({ _id, name: String(name), sources, any, direct: direct[0] ?? null }, options);

  const db = () => database.connection.db!;
  const old = (name: string) => db().collection<BeanieTask>(name);
  const moveSources = (...also: string[]) => moveBeanieTasks(old('Source'), pushSource, { also, db: db() });
  const moveReports = () => moveBeanieTasks(old('Report'), pushReport, { links, db: db() });
  const linkTo = ({ _id }: BeanieTask) => ({ $ref: 'Source', $id: _id }) as unknown as mongo.DBRef;
  const worked = async () => {
    const runs: string[] = [];
    const handler = (task: { name?: string | null }) => void runs.push(task.name!);
    await drain([Source, Report], { handler });
    return runs;
  };

  beforeAll(() => {
    Source = makeSource();
    Report = makeReport();
  });

  beforeEach(async () => {
    await Promise.all([Source.deleteMany({}), Report.deleteMany({})]);
    await Promise.all(['Source', 'Report'].map((name) => old(name).deleteMany({})));
  });

  it('makes one task of each that waits, however often it runs', async () => {
    const later = at(60 * MINUTE);
    await old('Source').insertMany([
      stored('low', { priority: 1 }),
      stored('medium'),
      stored('high', { priority: 3 }),
      stored('later', { run_at: later, interval: 90 }),
    ]);

    expect([await moveSources(), await moveSources()]).toEqual([{ moved: 4 }, {}]);
    expect(await worked()).toEqual(['high', 'medium', 'low']);
    expect(await moveSources()).toEqual({});
    expect(await worked()).toEqual([]);
    expect(await Source.findOne({ state: State.CREATED }).lean()).toMatchObject({
      name: 'later',
      _task: { dueAt: later, schedule: { every: 90_000 } },
    });
  });

  it('does a run that has failed once more, without a second task that recurs', async () => {
    await old('Source').insertMany([
      stored('failed', { state: 'FAILED', run_at: at(-MINUTE), interval: 90 }),
      stored('running', { state: 'RUNNING', run_at: at(-MINUTE), interval: 90 }),
      stored('next', { run_at: at(60 * MINUTE), interval: 90 }),
    ]);

    expect(await moveSources('FAILED', 'RUNNING')).toEqual({ moved: 3 });

    expect(await Source.distinct('name', { '_task.schedule': { $exists: true } })).toEqual(['next']);
  });

  it('goes on after a run that ended between its writes, also when the task has ended meanwhile', async () => {
    await old('Source').insertOne(stored('ada', { state: 'FAILED', movingAt: at(-MINUTE) }));
    await moveSources();
    expect(await worked()).toEqual(['ada']);
    await old('Source').updateMany({}, { $unset: { movedAt: true } });

    expect(await moveSources()).toEqual({ moved: 1 });
    expect(await worked()).toEqual([]);
  });

  it('takes a task from the old workers before the new one is there', async () => {
    const seen: unknown[] = [];
    const push: Push = async ({ _id }) => seen.push(await old('Source').findOne({ _id }));
    await old('Source').insertOne(stored('ada'));

    await moveBeanieTasks(old('Source'), push, { db: db() });

    expect(seen).toMatchObject([{ state: 'FAILED' }]);
  });

  it('leaves a task that an old worker has popped after it was read', async () => {
    const collection = old('Source');
    const update = collection.updateOne.bind(collection);
    await collection.insertOne(stored('ada'));
    jest.spyOn(collection, 'updateOne').mockImplementationOnce(async (filter, change) => {
      await update({}, { $set: { state: 'RUNNING' } });
      return update(filter, change as object);
    });

    expect(await moveBeanieTasks(collection, pushSource, { db: db() })).toEqual({ 'left: changed meanwhile': 1 });
    expect(await Source.countDocuments()).toBe(0);
  });

  it('leaves those that ended or run, and moves the states it is told to', async () => {
    await old('Source').insertMany(['FINISHED', 'FAILED', 'RUNNING'].map((state) => stored(state, { state })));

    expect(await moveSources()).toEqual({ 'left: FAILED': 1, 'left: RUNNING': 1 });
    expect(await moveSources('FAILED')).toEqual({ moved: 1, 'left: RUNNING': 1 });
    expect(await worked()).toEqual(['FAILED']);
  });

  it('lets tasks wait for what was moved, and for nothing that was finished', async () => {
    const [done, one, two] = [stored('done', { state: 'FINISHED' }), stored('one'), stored('two', { priority: 1 })];
    await old('Source').insertMany([done, one, two]);
    await old('Report').insertMany([
      stored('all', { sources: [done, one, two].map(linkTo), any: [], direct: null }),
      stored('any', { sources: [], any: [one, two].map(linkTo), direct: null }),
      stored('any, one done', { sources: [], any: [done, two].map(linkTo), direct: null }),
      stored('direct', { sources: [], any: [], direct: linkTo(one) }),
      stored('after the end', { sources: [], any: [], direct: linkTo(done) }),
    ]);

    await moveSources();
    expect(await moveReports()).toEqual({ moved: 5 });

    const reports = await Report.find().sort({ name: 1 }).lean();
    expect(reports).toMatchObject([
      { name: 'after the end', direct: null },
      { name: 'all', sources: [one._id, two._id] },
      { name: 'any', any: [one._id, two._id] },
      { name: 'any, one done', any: [] },
      { name: 'direct', direct: one._id },
    ]);
    const runs = await worked();
    expect(runs.toSorted()).toEqual(['after the end', 'all', 'any', 'any, one done', 'direct', 'one', 'two']);
    expect(runs.indexOf('all')).toBeGreaterThan(Math.max(runs.indexOf('one'), runs.indexOf('two')));
    expect(runs.indexOf('direct')).toBeGreaterThan(runs.indexOf('one'));
  });

  it('leaves tasks that wait for one that is still there, and lets those that were deleted be as they were', async () => {
    const [running, gone] = [stored('running', { state: 'RUNNING' }), stored('gone')];
    await old('Source').insertOne(running);
    await old('Report').insertMany([
      stored('waits', { sources: [linkTo(running)], any: [], direct: null }),
      stored('waits for ever', { sources: [], any: [], direct: linkTo(gone) }),
      stored('released', { sources: [linkTo(gone)], any: [linkTo(gone)], direct: null }),
    ]);

    expect(await moveReports()).toEqual({ 'left: waits': 2, moved: 1 });
    await old('Source').updateOne({ _id: running._id }, { $set: { state: 'FINISHED' } });
    expect(await moveReports()).toEqual({ 'left: waits': 1, moved: 1 });
    expect((await worked()).toSorted()).toEqual(['released', 'waits']);
  });
});
