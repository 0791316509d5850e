import { Schema, Types } from 'mongoose';
import {
  blocked,
  blockedBy,
  DependencyType,
  InvalidOptionError,
  pop,
  push,
  State,
  taskQueue,
} from 'mongoose-task-queue';
import { monitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { nativeOf, rawUpdate } from '../support/raw';

const { ObjectId } = Schema.Types;
const { DIRECT, ALL_OF, ANY_OF } = DependencyType;

describe('what a task waits for', () => {
  const database = useDatabase();
  const makeModels = () => {
    const { connection } = database;
    const source = { type: ObjectId, ref: 'Source' };
    const Source = connection.model(
      'Source',
      taskQueue(new Schema({ name: String }), { fields: { state: 'taskState' } }),
    );
    const Order = connection.model('Order', new Schema({ status: String, payment: { amount: Number } }));
    const paid = { status: 'paid', 'payment.amount': 5 };
    const Report = connection.model(
      'Report',
      taskQueue(
        new Schema(
          {
            name: String,
            secret: { type: String, select: false },
            source: { ...source, dependsOn: DIRECT },
            parts: { type: [source], dependsOn: ALL_OF },
            mirrors: { type: [source], dependsOn: { type: ANY_OF, onFailed: 'ignore' } },
            order: { type: ObjectId, ref: 'Order', dependsOn: { type: DIRECT, when: paid } },
            kind: String,
            about: { type: ObjectId, refPath: 'kind', dependsOn: DIRECT },
            strict: { ...source, dependsOn: { type: DIRECT, onFailed: 'fail', onMissing: 'fail' } },
          },
          { discriminatorKey: 'type' },
        ),
      ),
    );
    const Step = connection.model(
      'Step',
      taskQueue(
        new Schema({
          name: String,
          after: { type: ObjectId, ref: 'Step', dependsOn: DIRECT },
          any: { type: [{ type: ObjectId, ref: 'Step' }], dependsOn: ANY_OF },
        }),
      ),
    );
    return { Source, Order, Report, Step, Kind: Report.discriminator('Kind', new Schema({ size: Number })) };
  };
  let models: ReturnType<typeof makeModels>;
  let Source: ReturnType<typeof makeModels>['Source'];
  let Report: ReturnType<typeof makeModels>['Report'];

  beforeAll(async () => {
    models = makeModels();
    ({ Source, Report } = models);
    await Promise.all([Report.ensureTaskIndexes(), models.Step.ensureTaskIndexes()]);
  });

  beforeEach(async () => {
    for (const Model of Object.values(models)) await nativeOf(Model).deleteMany({});
  });

  const pushSources = async (count: number) =>
    Source.push(Array.from({ length: count }, (_, index) => ({ name: String(index) })));
  const unmet = (_id: unknown, taskState: string = State.CREATED) => ({
    model: 'Source',
    id: _id,
    standing: 'unmet',
    values: { taskState },
  });

  describe('is nothing', () => {
    it.each([
      ['without references', {}],
      ['with null and empty lists', { source: null, parts: [], mirrors: [] }],
    ])('%s', async (_what, fields) => {
      const report = await Report.push(fields);

      expect(await report.blockedBy()).toEqual([]);
    });

    it('when all is done', async () => {
      const [source, mirror, other] = await pushSources(3);
      await source!.finish();
      await mirror!.finish();
      const report = await Report.push({
        source: source!._id,
        parts: [source!._id],
        mirrors: [mirror!._id, other!._id],
      });

      expect(await report.blockedBy()).toEqual([]);
    });

    it('when it is only delayed', async () => {
      const [source] = await pushSources(1);
      await source!.finish();
      const report = await Report.push({ source: source!._id }, { delayMs: 60_000 });

      expect(await report.blockedBy()).toEqual([]);
    });

    it('when it is parked but what it waited for was finished a moment ago', async () => {
      const [source] = await pushSources(1);
      const report = await Report.push({ source: source!._id });

      await source!.finish();

      expect(await report.blockedBy()).toEqual([]);
    });

    it('once it runs, and when it is finished, whatever becomes of the others', async () => {
      const [source] = await pushSources(1);
      await source!.finish();
      await Report.push({ source: source!._id });
      const task = (await Report.pop())!;
      await source!.push();

      const running = await task.blockedBy();
      await task.finish();

      expect([running, await task.blockedBy()]).toEqual([[], []]);
    });

    it('of what is ignored', async () => {
      const [mirror] = await pushSources(1);
      await mirror!.fail();
      const report = await Report.push({ mirrors: [mirror!._id] });

      expect(await report.blockedBy()).toEqual([]);
    });
  });

  it.each(['CREATED', 'PENDING', 'RUNNING'])('is a document that is %s', async (state) => {
    const [source] = await pushSources(1);
    await rawUpdate(Source, source!._id, { $set: { taskState: state } });
    const report = await Report.push({ source: source!._id });

    expect(await report.blockedBy()).toEqual([
      { path: 'source', type: DIRECT, documents: [unmet(source!._id, state)], cycle: null },
    ]);
  });

  it('is a document that failed', async () => {
    const [source] = await pushSources(1);
    await source!.fail();
    const report = await Report.push({ source: source!._id });

    const [clause] = await report.blockedBy();

    expect(clause!.documents).toEqual([
      { model: 'Source', id: source!._id, standing: 'failed', values: { taskState: 'FAILED' } },
    ]);
  });

  it('is a document that does not exist', async () => {
    const _id = new Types.ObjectId();
    const report = await Report.push({ source: _id });

    const [clause] = await report.blockedBy();

    expect(clause!.documents).toEqual([{ model: 'Source', id: _id, standing: 'missing', values: null }]);
  });

  it('is a document whose fields do not meet the condition, shown as they are', async () => {
    const order = await models.Order.create({ status: 'paid', payment: { amount: 4 } });
    const bare = await models.Order.create({});
    const reports = [await Report.push({ order: order._id }), await Report.push({ order: bare._id })];

    const values = await Promise.all(
      reports.map(async (report) => (await report.blockedBy())[0]!.documents[0]!.values),
    );

    expect(values).toEqual([
      { status: 'paid', 'payment.amount': 4 },
      { status: undefined, 'payment.amount': undefined },
    ]);
  });

  it('is each open document of a list, but none that is done', async () => {
    const [done, open, failed] = await pushSources(3);
    const missing = new Types.ObjectId();
    await done!.finish();
    await failed!.fail();
    const report = await Report.push({ parts: [done!._id, open!._id, failed!._id, missing] });

    const [clause] = await report.blockedBy();

    expect(clause).toMatchObject({ path: 'parts', type: ALL_OF });
    expect(clause!.documents.map(({ id, standing }) => [id, standing])).toEqual([
      [open!._id, 'unmet'],
      [failed!._id, 'failed'],
      [missing, 'missing'],
    ]);
  });

  it('is every clause that does not hold', async () => {
    const [source, part, mirror, done] = await pushSources(4);
    await done!.finish();
    const order = await models.Order.create({ status: 'new' });
    const report = await Report.push({
      source: source!._id,
      parts: [part!._id, done!._id],
      mirrors: [mirror!._id],
      order: order._id,
      strict: done!._id,
    });

    const clauses = await report.blockedBy();

    expect(clauses.map(({ path, type }) => [path, type])).toEqual([
      ['source', DIRECT],
      ['parts', ALL_OF],
      ['mirrors', ANY_OF],
      ['order', DIRECT],
    ]);
  });

  it('is what a `refPath` names, or nothing known', async () => {
    const [source] = await pushSources(1);
    const known = await Report.push({ kind: 'Source', about: source!._id });
    const unknown = await Report.push({ kind: 'Nobody', about: source!._id });

    expect((await known.blockedBy())[0]!.documents).toEqual([unmet(source!._id)]);
    expect((await unknown.blockedBy())[0]!.documents).toEqual([
      { model: 'unknown', id: source!._id, standing: 'missing', values: null },
    ]);
  });

  it('is the same for a handle that is populated', async () => {
    const [source] = await pushSources(1);
    const report = await Report.push({ source: source!._id });

    const populated = await report.populate(['source', 'parts']);

    expect((await populated.blockedBy())[0]!.documents).toEqual([unmet(source!._id)]);
  });

  it.each(['saved', 'new'])('is known before it is pushed, of a document that is %s', async (what) => {
    const [source] = await pushSources(1);
    const draft = new Report({ source: source as never, parts: [source!._id] });
    if (what === 'saved') await draft.save();

    expect((await draft.blockedBy()).map(({ path, documents }) => [path, documents])).toEqual([
      ['source', [unmet(source!._id)]],
      ['parts', [unmet(source!._id)]],
    ]);
  });

  it('is what it was failed by', async () => {
    const [source] = await pushSources(1);
    await source!.fail();
    const report = await Report.push({ strict: source!._id });
    expect(report.state).toBe(State.FAILED);

    expect(await report.blockedBy()).toMatchObject([{ path: 'strict', documents: [{ standing: 'failed' }] }]);
  });

  it('is read from the database, not from an old handle', async () => {
    const [source, other] = await pushSources(2);
    const report = await Report.push({ source: source!._id });
    await rawUpdate(Report, report._id, { $set: { source: other!._id } });

    expect((await report.blockedBy())[0]!.documents).toEqual([unmet(other!._id)]);
  });

  it('may be a thousand documents, which are read together', async () => {
    const sources = await pushSources(1_000);
    const report = await Report.push({ parts: sources.map(({ _id }) => _id) });
    const monitored = await monitoredConnection(database.uri);
    const theirs = await monitored.connection.model('Report', Report.schema).findById(report._id);
    monitored.connection.model('Source', Source.schema);
    monitored.forget();

    const [clause] = await blockedBy(theirs as never);

    expect(clause!.documents).toHaveLength(1_000);
    expect(monitored.all().map(({ name }) => name)).toEqual(['find', 'find', 'find']);
  });

  describe('in a circle', () => {
    /** Steps that each wait for the next, the last one for the first. */
    const pushCycle = async (length: number) => {
      const ids = Array.from({ length }, () => new Types.ObjectId());
      const steps = ids.map((_id, index) => ({ _id, name: String(index), after: ids[(index + 1) % length]! }));
      return models.Step.push(steps);
    };

    it.each([1, 2, 3])('of %i shows the way around', async (length) => {
      const steps = await pushCycle(length);

      for (const [index, step] of steps.entries()) {
        const [clause] = await step.blockedBy();
        const around = [...steps.slice(index), ...steps.slice(0, index), step];
        expect(clause!.cycle).toEqual(around.map(({ _id }) => ({ model: 'Step', id: _id })));
      }
    });

    it('never runs, and keeps nobody else from it', async () => {
      await pushCycle(3);
      const free = await models.Step.push({ name: 'free' });

      expect((await models.Step.popMany(5)).map(({ id }) => id as string)).toEqual([free.id]);
    });

    it('runs when somebody breaks it', async () => {
      const steps = await pushCycle(3);
      expect(await models.Step.pop()).toBeNull();

      await steps[0]!.set('after', undefined).save();

      const popped: unknown[] = [];
      for (let step = await models.Step.pop(); step; step = await models.Step.pop()) {
        popped.push(step.name);
        await step.finish();
      }
      expect(popped).toEqual(['0', '2', '1']);
    });

    it('that it is not part of is none of its own', async () => {
      const [step] = await pushCycle(2);
      const behind = await models.Step.push({ name: 'behind', after: step!._id });

      expect((await behind.blockedBy())[0]!.cycle).toBeNull();
    });

    it('is found through lists, by the shortest way', async () => {
      const [a, b, c] = [new Types.ObjectId(), new Types.ObjectId(), new Types.ObjectId()];
      const [first] = await models.Step.push([
        { _id: a, any: [b, c] },
        { _id: b, after: c },
        { _id: c, after: a },
      ]);

      expect((await first!.blockedBy())[0]!.cycle?.map(({ id }) => id)).toEqual([a, c, a]);
    });

    it('is found across models', async () => {
      const report = new Report({ kind: 'Report', name: 'first' });
      const second = await Report.push({ kind: 'Report', about: report._id });
      await report.set('about', second._id).push();

      expect((await report.blockedBy())[0]!.cycle?.map(({ id }) => id)).toEqual([report._id, second._id, report._id]);
    });
  });

  describe('of a whole queue', () => {
    const pushBlocked = async (count: number) => {
      const [source] = await pushSources(1);
      const names = Array.from({ length: count }, (_, index) => ({ name: String(index), source: source!._id }));
      for (const fields of names) await Report.push(fields);
      return source!;
    };

    it('is listed, the longest waiting first', async () => {
      const source = await pushBlocked(3);
      await Report.push({ name: 'free' });
      await Report.push({ name: 'later' }, { delayMs: 60_000 });

      const listed = await Report.blocked();

      expect(listed.map(({ task }) => task.name)).toEqual(['0', '1', '2']);
      for (const { blockedBy: clauses } of listed)
        expect(clauses).toEqual([{ path: 'source', type: DIRECT, documents: [unmet(source._id)], cycle: null }]);
    });

    it('is listed up to a limit', async () => {
      await pushBlocked(3);

      const listed = await Report.blocked({ limit: 2 });

      expect(listed.map(({ task }) => task.name)).toEqual(['0', '1']);
    });

    it('is listed by one look at each task, also where they wait for each other in a long chain', async () => {
      const ids = Array.from({ length: 30 }, () => new Types.ObjectId());
      await models.Step.push(ids.map((_id, index) => ({ _id, ...(index > 0 && { after: ids[index - 1]! }) })));
      const looks = jest.spyOn(nativeOf(models.Step), 'findOne');

      expect(await models.Step.blocked()).toHaveLength(29);

      expect(looks.mock.calls.length).toBeLessThanOrEqual(30);
      looks.mockRestore();
    });

    it('is listed with documents that can be used', async () => {
      await pushBlocked(1);
      const { task } = (await Report.blocked())[0]!;

      await task.set('source', undefined).save();

      expect((await Report.pop())?.id).toBe(task.id);
    });

    it('is listed without hidden fields', async () => {
      const [source] = await pushSources(1);
      await Report.push({ source: source!._id, secret: 'x' });

      const { task } = (await Report.blocked())[0]!;

      expect(task.toObject()).not.toHaveProperty('secret');
      expect(task.toObject()).not.toHaveProperty('_task');
    });

    it('is listed for one kind alone', async () => {
      const source = await pushBlocked(1);
      await models.Kind.push({ name: 'kind', source: source._id });

      expect((await models.Kind.blocked()).map(({ task }) => task.name)).toEqual(['kind']);
      expect((await Report.blocked()).map(({ task }) => task.name)).toEqual(['0', 'kind']);
    });

    it('is empty when nobody waits', async () => {
      await Report.push({ name: 'free' });

      expect(await Report.blocked()).toEqual([]);
    });

    it.each([0, -1, 1.5, 1_001, '5', null])('refuses the limit %p', async (limit) => {
      await expect(Report.blocked({ limit: limit as never })).rejects.toThrow(InvalidOptionError);
    });

    it('refuses an option it does not know', async () => {
      await expect(Report.blocked({ limits: 5 } as never)).rejects.toThrow('Did you mean `limit`?');
    });
  });

  it('can be asked for by functions', async () => {
    const [source] = await pushSources(1);
    const schema = new Schema({ source: { type: ObjectId, ref: 'Source', dependsOn: DIRECT } });
    const Unbound = database.connection.model('Unbound', taskQueue(schema, { bind: false }));
    const task = await push(Unbound, { source: source!._id });
    expect(await pop(Unbound)).toBeNull();

    expect(await blockedBy(task)).toMatchObject([{ path: 'source', documents: [unmet(source!._id)] }]);
    expect(await blocked(Unbound)).toMatchObject([{ task: { id: task.id }, blockedBy: [{ path: 'source' }] }]);
  });
});
