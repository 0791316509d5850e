import { mongo, Schema, Types } from 'mongoose';
import { DependencyType, State, taskQueue } from 'mongoose-task-queue';
import { popSoon } from '../support/pop-soon';
import { useDatabase } from '../support/database';
import { isMongoose8 } from '../support/on-mongoose9';
import { nativeOf, rawUpdate, stored } from '../support/raw';

const { ObjectId } = Schema.Types;
const { DIRECT, ALL_OF, ANY_OF } = DependencyType;

describe('a task with dependencies', () => {
  const database = useDatabase();
  const makeModels = () => {
    const { connection } = database;
    const reference = { type: ObjectId, ref: 'Source' };
    const Source = connection.model('Source', taskQueue(new Schema({ name: String })));
    const Report = connection.model(
      'Report',
      taskQueue(
        new Schema({
          source: { ...reference, dependsOn: DIRECT },
          parts: [{ ...reference, dependsOn: ALL_OF }],
          mirrors: { type: [reference], dependsOn: ANY_OF },
        }),
      ),
    );
    return { Source, Report };
  };
  let models: ReturnType<typeof makeModels>;

  beforeAll(() => {
    models = makeModels();
  });

  beforeEach(async () => {
    await Promise.all([models.Source.deleteMany({}), models.Report.deleteMany({})]);
  });

  const pushSources = async (count: number) =>
    models.Source.push(Array.from({ length: count }, (_, index) => ({ name: String(index) })));

  describe('on a single document', () => {
    it('waits until it is finished', async () => {
      const [source] = await pushSources(1);
      const report = await models.Report.push({ source: source!._id });

      expect(await models.Report.pop()).toBeNull();
      expect(await models.Report.isEmpty()).toBe(true);
      await (await models.Source.pop())!.finish();

      expect(await models.Report.isEmpty()).toBe(false);
      expect((await models.Report.pop())?.id).toBe(report.id);
    });

    it.each([State.PENDING, State.CREATED, State.RUNNING, State.FAILED])('waits while it is %s', async (state) => {
      const [source] = await pushSources(1);
      await rawUpdate(models.Source, source!._id, { $set: { state } });
      await models.Report.push({ source: source!._id });

      expect(await models.Report.pop()).toBeNull();
    });

    it('runs at once when it was finished before', async () => {
      const [source] = await pushSources(1);
      await source!.finish();

      await models.Report.push({ source: source!._id });

      expect(await models.Report.pop()).not.toBeNull();
    });

    it('stands in nobody’s way', async () => {
      const [source] = await pushSources(1);
      await models.Report.push({ source: source!._id, priority: 3 });
      const free = await models.Report.push({});

      expect((await models.Report.pop())?.id).toBe(free.id);
    });
  });

  describe('on all of several', () => {
    it('waits for each of them', async () => {
      const sources = await pushSources(3);
      const report = await models.Report.push({ parts: sources.map(({ _id }) => _id) });

      for (const source of sources) {
        expect(await models.Report.pop()).toBeNull();
        await source.finish();
      }

      expect((await models.Report.pop())?.id).toBe(report.id);
    });

    it('counts one that is named twice once', async () => {
      const [source] = await pushSources(1);
      await models.Report.push({ parts: [source!._id, source!._id] });
      expect(await models.Report.pop()).toBeNull();

      await source!.finish();

      expect(await models.Report.pop()).not.toBeNull();
    });
  });

  describe('on any of several', () => {
    it.each([0, 1, 2])('runs as soon as the one at %i is finished', async (at) => {
      const sources = await pushSources(3);
      const report = await models.Report.push({ mirrors: sources.map(({ _id }) => _id) });
      expect(await models.Report.pop()).toBeNull();

      await sources[at]!.finish();

      expect((await models.Report.pop())?.id).toBe(report.id);
    });

    it('runs although others failed', async () => {
      const sources = await pushSources(3);
      await models.Report.push({ mirrors: sources.map(({ _id }) => _id) });
      await sources[0]!.fail();
      await sources[1]!.fail();
      expect(await models.Report.pop()).toBeNull();

      await sources[2]!.finish();

      expect(await models.Report.pop()).not.toBeNull();
    });
  });

  it('of several types waits until every clause holds, in whatever order', async () => {
    const [source, part, mirror, otherMirror] = await pushSources(4);
    await models.Report.push({ source: source!._id, parts: [part!._id], mirrors: [mirror!._id, otherMirror!._id] });

    for (const dependency of [mirror!, source!, part!]) {
      expect(await models.Report.pop()).toBeNull();
      await dependency.finish();
    }

    expect(await models.Report.pop()).not.toBeNull();
  });

  it.each([
    ['nothing set', {}],
    ['null and empty lists', { source: null, parts: [], mirrors: [] }],
  ])('runs at once with %s', async (_what, fields) => {
    await models.Report.push(fields);

    expect(await models.Report.pop()).not.toBeNull();
  });

  it.each([
    ['no fields', {}],
    ['null everywhere', { source: null, parts: null, mirrors: null }],
    ['null in its lists', { parts: [null], mirrors: [null, null] }],
  ])('runs at once when another program inserted it with %s', async (_what, fields) => {
    await models.Report.ensureTaskIndexes();
    await nativeOf(models.Report).insertOne({ state: 'CREATED', ...fields });

    expect(await models.Report.pop()).not.toBeNull();
  });

  it('waits when another program inserted it', async () => {
    const [source] = await pushSources(1);
    await models.Report.ensureTaskIndexes();
    await nativeOf(models.Report).insertOne({ state: 'CREATED', source: source!._id });
    expect(await models.Report.pop()).toBeNull();

    await source!.finish();

    expect(await models.Report.pop()).not.toBeNull();
  });

  describe('that is pushed with documents instead of ids', () => {
    const pushPopulated = async () => {
      const sources = await pushSources(4);
      const [source, part, mirror, otherMirror] = sources;
      const report = new models.Report({ source, parts: [part], mirrors: [mirror, otherMirror] } as never);
      return { sources, report };
    };

    it('waits for them', async () => {
      const { sources, report } = await pushPopulated();
      await report.push();
      expect((await stored(models.Report, report._id))['source']).toEqual(sources[0]!._id);

      for (const source of sources.slice(0, 3)) {
        expect(await models.Report.pop()).toBeNull();
        await source.finish();
      }

      expect((await models.Report.pop())?.id).toBe(report.id);
    });

    it('runs at once when they are finished', async () => {
      const { sources, report } = await pushPopulated();
      for (const source of sources) await source.finish();

      await report.push();

      expect((await models.Report.pop())?.id).toBe(report.id);
    });

    it('waits for them when it was stored before and is populated', async () => {
      const { sources, report } = await pushPopulated();
      await report.save();
      const found = (await models.Report.findById(report._id).populate(['source', 'parts', 'mirrors']))!;
      await found.push();

      for (const source of sources.slice(0, 3)) {
        expect(await models.Report.pop()).toBeNull();
        await source.finish();
      }

      expect((await models.Report.pop())?.id).toBe(report.id);
    });
  });

  const uuids: [string, unknown, unknown[]] = [
    'a UUID',
    Schema.Types.UUID,
    [new mongo.UUID().toString(), new mongo.UUID().toString()],
  ];
  it.each([
    ['a text', String, ['a', 'b']],
    ['a number', Number, [1, 2]],
    ['a Date', Date, [new Date(1), new Date(2)]],
    // Tasks with such ids are refused beside Mongoose 8.
    ...(isMongoose8 ? [] : [uuids]),
    ['a number of 64 bits', BigInt, [5n, 2n ** 60n]],
    ['a decimal', Schema.Types.Decimal128, ['1.5', '2.5']],
    ['bytes', Buffer, [Buffer.from('a'), Buffer.from('b')]],
    [
      'an object',
      Schema.Types.Mixed,
      [
        { tenant: 'a', number: 1 },
        { tenant: 'a', number: 2 },
      ],
    ],
  ])('waits for documents whose id is %s', async (kind, type, ids) => {
    const { Odd, AfterOdd } = makeOdd(kind, type);
    await Promise.all([Odd.init(), AfterOdd.init(), AfterOdd.ensureTaskIndexes()]);
    const odds = await Odd.push(ids.map((_id) => ({ _id })) as never[]);
    const after = await AfterOdd.push({ all: ids, any: ids } as never);
    // Each was found, or it would wait for a missing one.
    const standings = (await after.blockedBy()).map(({ documents }) => documents.map(({ standing }) => standing));
    expect(standings).toEqual(['unmet', 'unmet'].map(() => ['unmet', 'unmet']));

    for (const odd of odds) {
      expect(await AfterOdd.pop()).toBeNull();
      await odd.finish();
    }

    expect((await popSoon(AfterOdd)).id).toBe(after.id);
  });

  /** A task whose id is of a type, and one that waits for it. */
  const makeOdd = (kind: string, type: unknown) => {
    const schemaOf = (definition: object) => taskQueue(new Schema(definition as never) as unknown as Schema);
    const reference = { type, ref: `Odd by ${kind}` };

    return {
      Odd: database.connection.model(`Odd by ${kind}`, schemaOf({ _id: type })),
      AfterOdd: database.connection.model(
        `After odd by ${kind}`,
        schemaOf({ all: [{ ...reference, dependsOn: ALL_OF }], any: [{ ...reference, dependsOn: ANY_OF }] }),
      ),
    };
  };

  it('waits for references that are nested, in a sub-document, or named by a `refPath`', async () => {
    const link = new Schema({ to: { type: ObjectId, ref: 'Source', dependsOn: DIRECT } });
    const Letter = database.connection.model(
      'Letter',
      taskQueue(
        new Schema({
          nested: { deep: { type: ObjectId, ref: 'Source', dependsOn: DIRECT } },
          link,
          kind: { type: String, enum: ['Source', 'Report'] },
          about: { type: ObjectId, refPath: 'kind', dependsOn: DIRECT },
        }),
      ),
    );
    const [deep, linked, source] = await pushSources(3);
    const report = await models.Report.push({});
    const fields = { nested: { deep: deep!._id }, link: { to: linked!._id } };
    const ofReport = await Letter.push({ ...fields, kind: 'Report', about: report._id });
    const ofSource = await Letter.push({ ...fields, kind: 'Source', about: source!._id });

    const popped: unknown[] = [];
    for (const dependency of [deep!, linked!, source!, report]) {
      popped.push((await Letter.pop())?.id ?? null);
      await dependency.finish();
    }

    expect([...popped, (await Letter.pop())?.id]).toEqual([null, null, null, ofSource.id, ofReport.id]);
  });

  it('waits for references that are hidden, also by what they are in', async () => {
    const source = { type: ObjectId, ref: 'Source', dependsOn: DIRECT };
    const meta = { type: new Schema({ source }, { _id: false }), select: false };
    const Hiding = database.connection.model(
      'Hiding',
      taskQueue(new Schema({ name: String, source: { ...source, select: false }, meta })),
    );
    const [one, other] = await pushSources(2);
    await Hiding.push({ name: 'report', source: one!._id, meta: { source: other!._id } });

    for (const dependency of [one!, other!]) {
      expect(await Hiding.pop()).toBeNull();
      await dependency.finish();
    }

    const task = (await Hiding.pop())!;
    expect(task.toObject()).toMatchObject({ name: 'report', state: State.RUNNING });
    expect(task.toObject()).not.toHaveProperty('source');
    expect(task.toObject()).not.toHaveProperty('meta');
  });

  describe('of which kinds have dependencies of their own', () => {
    const makeKinds = () => {
      const { connection } = database;
      const Base = connection.model(
        'Step',
        taskQueue(new Schema({ name: String, source: { type: ObjectId, ref: 'Source', dependsOn: DIRECT } })),
      );
      const Build = Base.discriminator(
        'Build',
        new Schema({ parts: [{ type: ObjectId, ref: 'Source', dependsOn: ALL_OF }] }),
      );
      const Deploy = Base.discriminator(
        'Deploy',
        new Schema({
          builds: [{ type: ObjectId, ref: 'Build', dependsOn: { type: ANY_OF, when: { state: 'FAILED' } } }],
        }),
      );
      return { Base, Build, Deploy };
    };
    let kinds: ReturnType<typeof makeKinds>;

    beforeAll(() => {
      kinds = makeKinds();
    });

    beforeEach(async () => {
      await kinds.Base.deleteMany({});
    });

    it.each(['Base', 'Build'] as const)('waits for those of its kind when %s is popped', async (popped) => {
      const [source, part] = await pushSources(2);
      await kinds.Build.push({ name: 'build', source: source!._id, parts: [part!._id] });
      const Popped = kinds[popped] as typeof kinds.Base;

      for (const dependency of [source!, part!]) {
        expect(await Popped.pop()).toBeNull();
        await dependency.finish();
      }

      expect((await popSoon(Popped)).name).toBe('build');
    });

    it('does not wait for those of another kind', async () => {
      const [source, part] = await pushSources(2);
      await kinds.Build.push({ name: 'build', parts: [part!._id] });
      await kinds.Deploy.push({ name: 'deploy' });
      await kinds.Base.push({ name: 'base', source: source!._id });

      expect((await kinds.Base.popMany(5)).map(({ name }) => name)).toEqual(['deploy']);
    });

    it('waits for another kind of its own collection', async () => {
      const build = await kinds.Build.push({ name: 'build' });
      await kinds.Deploy.push({ name: 'deploy', builds: [build._id] });
      const held = (await kinds.Base.popMany(5))[0]!;
      expect(held.name).toBe('build');

      await held.fail(new Error('broken'));

      expect((await kinds.Base.popMany(5)).map(({ name }) => name)).toEqual(['deploy']);
    });

    it('is woken by a pop of its base after it was parked by a pop of its kind, and the reverse', async () => {
      const [one, other] = await pushSources(2);
      await kinds.Build.push([
        { name: 'one', parts: [one!._id] },
        { name: 'other', parts: [other!._id] },
      ]);
      expect(await kinds.Build.pop()).toBeNull();
      await one!.finish();
      expect((await kinds.Base.pop())?.name).toBe('one');

      await other!.finish();

      expect((await kinds.Build.pop())?.name).toBe('other');
    });
  });

  describe('under a condition', () => {
    const makeOrder = () => {
      const { connection } = database;
      const Order = connection.model(
        'Order',
        new Schema({
          status: String,
          amount: Number,
          owner: ObjectId,
          paidAt: Date,
          tags: [String],
          payment: { method: String },
        }),
      );
      return Order;
    };
    let Order: ReturnType<typeof makeOrder>;
    let made = 0;

    beforeAll(() => {
      Order = makeOrder();
    });

    const shipmentWhen = (when: Record<string, unknown>, ref = 'Order') =>
      database.connection.model(
        `Shipment ${(made += 1)}`,
        taskQueue(new Schema({ order: { type: ObjectId, ref, dependsOn: { type: DIRECT, when } } })),
      );

    const owner = new Types.ObjectId();
    it.each([
      ['of one value', { status: 'paid' }, [{ status: 'new' }, { status: 'PAID' }], { status: 'paid' }],
      ['of one of several', { status: { $in: ['paid', 'free'] } }, [{ status: 'new' }], { status: 'free' }],
      [
        'of two fields',
        { status: 'paid', amount: 5 },
        [{ status: 'paid' }, { status: 'new', amount: 5 }],
        { status: 'paid' },
      ],
      ['of a nested field', { 'payment.method': 'card' }, [{ 'payment.method': 'cash' }], { 'payment.method': 'card' }],
      ['of an element', { tags: 'ready' }, [{ tags: [] }, { tags: ['new'] }], { tags: ['new', 'ready'] }],
      ['of an id, as a text', { owner: owner.toHexString() }, [{ owner: new Types.ObjectId() }], { owner }],
      ['of ids, as texts', { owner: { $in: [owner.toHexString()] } }, [{ owner: null }], { owner }],
      ['of a date, as a text', { paidAt: '2026-01-31' }, [{ paidAt: new Date(0) }], { paidAt: new Date('2026-01-31') }],
    ])('%s runs when a document meets it', async (_what, when, others, meeting) => {
      const Shipment = shipmentWhen(when);
      const order = await Order.create({});
      await Shipment.push({ order: order._id });

      for (const update of others) {
        await rawUpdate(Order, order._id, { $set: update });
        expect(await Shipment.pop()).toBeNull();
      }
      await rawUpdate(Order, order._id, { $set: meeting });

      expect(await Shipment.pop()).not.toBeNull();
    });

    it('runs at once when it is met before the push', async () => {
      const Shipment = shipmentWhen({ status: 'paid' });
      const order = await Order.create({ status: 'paid' });

      await Shipment.push({ order: order._id });

      expect(await Shipment.pop()).not.toBeNull();
    });

    it('on a task runs on its failure, and not on its success', async () => {
      const Alarm = shipmentWhen({ state: 'FAILED' }, 'Source');
      const [broken, sound] = await pushSources(2);
      const alarm = await Alarm.push({ order: broken!._id });
      await Alarm.push({ order: sound!._id });

      await sound!.finish();
      expect(await Alarm.pop()).toBeNull();
      await broken!.fail();

      expect((await Alarm.popMany(5)).map(({ id }) => id as string)).toEqual([alarm.id]);
    });

    it.each(['finish', 'fail'] as const)('on a task runs when it is over, here by `%s()`', async (verb) => {
      const Cleanup = shipmentWhen({ state: { $in: ['FINISHED', 'FAILED'] } }, 'Source');
      const [source] = await pushSources(1);
      await Cleanup.push({ order: source!._id });
      expect(await Cleanup.pop()).toBeNull();

      await source![verb]();

      expect(await Cleanup.pop()).not.toBeNull();
    });

    it('on a task may look at other fields than its state', async () => {
      const Early = shipmentWhen({ name: 'half done' }, 'Source');
      const [source] = await pushSources(1);
      await Early.push({ order: source!._id });
      await source!.fail();
      expect(await Early.pop()).toBeNull();

      await rawUpdate(models.Source, source!._id, { $set: { name: 'half done' } });

      expect(await Early.pop()).not.toBeNull();
    });
  });

  it('waits where the states of both sides have other names', async () => {
    const Renamed = database.connection.model(
      'Renamed',
      taskQueue(new Schema({ state: String, name: String }), { fields: { state: 'taskState' } }),
    );
    const reference = { type: ObjectId, ref: 'Renamed' };
    const schema = new Schema({ before: { ...reference, dependsOn: DIRECT }, name: String });
    const After = database.connection.model(
      'AfterRenamed',
      taskQueue(schema, { fields: { state: 'stage', priority: 'rank' } }),
    );
    const before = await Renamed.push({ state: 'FINISHED', name: 'before' });
    const after = await After.push({ before: before._id, rank: 3 });
    expect(after.stage).toBe(State.CREATED);
    expect(await After.pop()).toBeNull();

    await before.finish();

    const popped = (await After.pop())!;
    expect([popped.id, popped.stage]).toEqual([after.id, State.RUNNING]);
  });

  it('keeps its place among the others while it waits', async () => {
    const [source] = await pushSources(1);
    const first = await models.Report.push({ source: source!._id });
    const second = await models.Report.push({});
    const third = await models.Report.push({ parts: [source!._id], priority: 3 });
    expect((await models.Report.pop())?.id).toBe(second.id);
    const fourth = await models.Report.push({});

    await source!.finish();
    // A pop takes and wakes at the same time: a look before it makes the order certain.
    await models.Report.isEmpty();

    expect((await models.Report.popMany(5)).map(({ id }) => id as string)).toEqual([third.id, first.id, fourth.id]);
  });

  it('does not run before its time although what it waits for is done', async () => {
    const [source] = await pushSources(1);
    const report = await models.Report.push({ source: source!._id }, { delayMs: 60_000 });
    expect(await models.Report.pop()).toBeNull();
    await source!.finish();
    expect(await models.Report.pop()).toBeNull();
    expect(await models.Report.stats()).toMatchObject({ delayed: 1, blocked: 0 });

    await rawUpdate(models.Report, report._id, { $set: { '_task.availableAt': new Date(0) } });

    expect(await models.Report.pop()).not.toBeNull();
  });

  it('waits again when it is pushed again and what it refers to is open', async () => {
    const [source] = await pushSources(1);
    await source!.finish();
    const report = await models.Report.push({ source: source!._id });
    await (await models.Report.pop())!.finish();
    await source!.push();

    await report.push();

    expect(await models.Report.pop()).toBeNull();
    await source!.finish();
    expect((await models.Report.pop())?.id).toBe(report.id);
  });
});
