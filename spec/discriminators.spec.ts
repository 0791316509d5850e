import { Schema, Types, type Model } from 'mongoose';
import { pop, State, taskQueue } from 'mongoose-task-queue';
import { popSoon } from './support/pop-soon';
import { useDatabase } from './support/database';
import { setsIdsOfKinds } from './support/on-mongoose9';
import { nativeOf, stored } from './support/raw';
import { seen } from './support/seen';

describe('discriminators', () => {
  const database = useDatabase();

  it.each<[string, object, object]>([
    ['the hooks of its base', new Schema({ size: Number }), { mergeHooks: false }],
    ['the `fields`', taskQueue(new Schema({ size: Number }), { fields: { state: 'status' } }), {}],
    ['the `category`', taskQueue(new Schema({ size: Number }), { category: true }), {}],
  ])('that lack %s are refused', (what, schema, options) => {
    const Base = database.connection.model(`Base of ${what}`, taskQueue(new Schema({ name: String })));

    expect(() => Base.discriminator(`Kind of ${what}`, schema as never, options as never)).toThrow(what);
  });

  // Only `any` stands for "a model of whatever schema".
  const indexNames = async (model: Model<any, any, any, any, any, any>) =>
    (await nativeOf(model).indexes()).map(({ name }) => name as string).sort();

  describe('of a base with the plugin', () => {
    const makeMessage = () => {
      const Message = database.connection.model(
        'Message',
        taskQueue(new Schema({ to: String }, { discriminatorKey: 'kind' }), { category: true }),
      );
      const Email = Message.discriminator('Email', new Schema({ subject: { type: String, required: true } }));
      const Letter = Message.discriminator('Letter', new Schema({ pages: Number }), 'letter');
      return { Message, Email, Letter };
    };
    let models: ReturnType<typeof makeMessage>;

    beforeAll(() => {
      models = makeMessage();
    });

    beforeEach(async () => {
      await models.Message.deleteMany({});
    });

    const pushOfEach = async () => {
      const { Message, Email, Letter } = models;
      await Letter.push({ to: 'letter', pages: 1 });
      await Email.push({ to: 'email', subject: 'Hello' });
      await Message.push({ to: 'message' });
      await Letter.push({ to: 'letter 2', pages: 2 });
    };

    it('are all popped by the base, each as what it is', async () => {
      await pushOfEach();

      const popped = [];
      for (let task = await models.Message.pop(); task; task = await models.Message.pop()) popped.push(task);

      expect(popped.map((task) => [task.to, task.constructor])).toEqual([
        ['letter', models.Letter],
        ['email', models.Email],
        ['message', models.Message],
        ['letter 2', models.Letter],
      ]);
      expect(popped[1]!.get('subject')).toBe('Hello');
    });

    it('are popped by their kind alone', async () => {
      await pushOfEach();

      expect((await models.Email.pop())?.to).toBe('email');
      expect(await models.Email.pop()).toBeNull();
      expect((await models.Letter.popMany(5)).map(({ to, pages }) => [to, pages])).toEqual([
        ['letter', 1],
        ['letter 2', 2],
      ]);
      expect((await models.Message.popMany(5)).map(({ to }) => to)).toEqual(['message']);
    });

    it('are empty or not each for itself', async () => {
      await models.Email.push({ to: 'email', subject: 'Hello' });

      expect(await models.Email.isEmpty()).toBe(false);
      expect(await models.Message.isEmpty()).toBe(false);
      expect(await models.Letter.isEmpty()).toBe(true);
    });

    it('are counted each for itself', async () => {
      await pushOfEach();

      expect(await models.Letter.stats()).toMatchObject({ created: 2, ready: 2 });
      expect(await models.Message.stats()).toMatchObject({ created: 4, ready: 4 });
    });

    it('are settled by whoever popped them', async () => {
      await pushOfEach();
      const letter = (await models.Message.pop())!;
      const email = (await models.Email.pop())!;

      await letter.finish();
      email.subject = 'Changed';
      await email.finish();

      expect(await stored(models.Message, letter._id)).toMatchObject({ kind: 'letter', state: 'FINISHED' });
      expect(await stored(models.Message, email._id)).toMatchObject({ subject: 'Changed', state: 'FINISHED' });
    });

    it('are popped by category within their kind', async () => {
      await models.Letter.push({ to: 'a', category: 'x' });
      await models.Email.push({ to: 'b', subject: 'Hello', category: 'x' });
      await models.Email.push({ to: 'c', subject: 'Hello', category: 'y' });

      expect((await models.Email.popMany(5, { category: ['x', 'z'] })).map(({ to }) => to)).toEqual(['b']);
      expect((await models.Message.pop({ category: 'x' }))?.to).toBe('a');
    });

    it('are validated as their kind', async () => {
      await expect(models.Email.push({ to: 'email' })).rejects.toThrow('Path `subject` is required');
    });

    it('are pushed by the base as what the key says', async () => {
      await models.Message.push({ to: 'letter', kind: 'letter', pages: 3 } as never);

      expect(seen(await models.Letter.pop())).toMatchObject({ pages: 3, kind: 'letter' });
    });

    it('are pushed together', async () => {
      const { Message, Email, Letter } = models;

      await Message.push([
        new Letter({ to: 'letter' }),
        new Email({ to: 'email', subject: 'Hello' }),
        new Message({ to: 'message' }),
      ] as never[]);

      expect((await popSoon(Email)).subject).toBe('Hello');
      expect((await Message.popMany(5)).map(({ to }) => to)).toEqual(['letter', 'message']);
    });

    it('share their keys', async () => {
      const email = await models.Email.push({ to: 'email', subject: 'Hello' }, { key: 'k' });

      const live = await models.Letter.push({ to: 'letter' }, { key: 'k' });

      expect(live.id).toBe(email.id);
      expect(live.constructor).toBe(models.Email);
    });

    it('have claim indexes of their own, and the rest in common', async () => {
      const { Message, Email, Letter } = models;
      for (const kind of [Message, Email, Letter]) await kind.ensureTaskIndexes();

      expect(await indexNames(Message)).toEqual([
        '_id_',
        'task_category',
        'task_category_Email',
        'task_category_letter',
        'task_claim',
        'task_claim_Email',
        'task_claim_letter',
        'task_ended',
        'task_expiry',
        'task_key',
      ]);
    });

    it('keep their indexes when any of them is synced', async () => {
      const { Message, Email, Letter } = models;
      for (const kind of [Message, Email, Letter]) await kind.ensureTaskIndexes();
      const before = await indexNames(Message as never);

      for (const kind of [Message, Email, Letter]) expect(await kind.syncIndexes()).toEqual([]);

      expect(await indexNames(Message)).toEqual(before);
    });

    it('are found although a kind was added when the base was at work already', async () => {
      await models.Message.pop();
      const Call = models.Message.discriminator('Call', new Schema({ minutes: Number }));

      await Call.push({ to: 'call', minutes: 5 });

      expect((await popSoon(Call)).minutes).toBe(5);
      expect(await indexNames(Call)).toContain('task_claim_Call');
    });
  });

  describe('of which one has the plugin', () => {
    const makeEvent = () => {
      const Event = database.connection.model('Event', new Schema({ name: String, state: String }));
      const Job = Event.discriminator(
        'Job',
        taskQueue(new Schema({ size: Number }), { fields: { state: 'jobState' } }),
      );
      const Note = Event.discriminator('Note', new Schema({ text: String }));
      return { Event, Job, Note };
    };
    let models: ReturnType<typeof makeEvent>;

    beforeAll(() => {
      models = makeEvent();
    });

    beforeEach(async () => {
      await models.Event.deleteMany({});
    });

    it('are tasks of that kind alone', async () => {
      const { Event, Job, Note } = models;
      await new Event({ name: 'event', state: 'CREATED' }).save();
      await new Note({ name: 'note' }).save();
      const { insertedId } = await nativeOf(Note).insertOne({ __t: 'Note', name: 'odd', jobState: 'CREATED' });
      await Job.push({ name: 'job', size: 3 });

      const popped = await Job.popMany(5);

      expect(popped.map(({ name }) => name)).toEqual(['job']);
      expect(await stored(Note, insertedId)).toEqual({
        _id: insertedId,
        __t: 'Note',
        name: 'odd',
        jobState: 'CREATED',
      });
      expect(Event).not.toHaveProperty('pop');
      await expect(pop(Event as never)).rejects.toThrow('is no task queue');
    });

    it('has indexes that hold that kind alone', async () => {
      await models.Job.ensureTaskIndexes();

      const own = (await nativeOf(models.Event).indexes()).filter(({ name }) => name?.startsWith('task_'));
      expect(own.map(({ name }) => name as string).sort()).toEqual([
        'task_claim_Job',
        'task_ended_Job',
        'task_expiry_Job',
        'task_key_Job',
      ]);
      for (const { partialFilterExpression } of own) expect(partialFilterExpression).toMatchObject({ __t: 'Job' });
    });

    it('keeps its indexes when any of them is synced', async () => {
      const { Event, Job, Note } = models;
      await Job.ensureTaskIndexes();
      const before = await indexNames(Job as never);

      for (const kind of [Event, Note, Job]) expect(await kind.syncIndexes()).toEqual([]);

      expect(await indexNames(Job)).toEqual(before);
    });

    it('settles and is saved like any other', async () => {
      await models.Job.push({ name: 'job', size: 3 });
      const task = (await models.Job.pop())!;

      task.size = 4;
      task.name = 'changed';
      await task.finish();

      expect(await stored(models.Job, task._id)).toMatchObject({ size: 4, name: 'changed', jobState: 'FINISHED' });
    });
  });

  describe('of which several have the plugin each for itself', () => {
    it('have queues and keys of their own', async () => {
      const Thing = database.connection.model('Thing', new Schema({ name: String }));
      const A = Thing.discriminator('A', taskQueue(new Schema({ a: Number })));
      const B = Thing.discriminator('B', taskQueue(new Schema({ b: Number })));
      const a = await A.push({ name: 'a', a: 1 }, { key: 'k' });
      const b = await B.push({ name: 'b', b: 1 }, { key: 'k' });

      expect((await A.push({ a: 2 }, { key: 'k' })).id).toBe(a.id);
      expect((await B.push({ b: 2 }, { key: 'k' })).id).toBe(b.id);
      expect((await B.popMany(5)).map(({ name }) => name)).toEqual(['b']);
      expect((await A.popMany(5)).map(({ name }) => name)).toEqual(['a']);
    });
  });

  it('may have the plugin like their base', async () => {
    const options = { leaseMs: 60_000, category: true };
    const Base = database.connection.model('TwiceBase', taskQueue(new Schema({ name: String }), options));
    const Kind = Base.discriminator('TwiceKind', taskQueue(new Schema({ size: Number }), options) as never);

    await (Kind as unknown as typeof Base).push({ name: 'kind' });

    expect((await popSoon(Base)).constructor).toBe(Kind);
  });

  it.each<[string, unknown]>([
    ['a number', 7],
    ...(setsIdsOfKinds ? [['an id', new Types.ObjectId()] as [string, unknown]] : []),
    ['a text with signs', 'a.b $c'],
  ])('may be told apart by %s', async (kind, value) => {
    const type = typeof value === 'number' ? Number : typeof value === 'string' ? String : Schema.Types.ObjectId;
    const schema = new Schema({ name: String, sort: { type } } as never, { discriminatorKey: 'sort' });
    const Base = database.connection.model(`Sorted by ${kind}`, taskQueue(schema as Schema<{ name?: string }>));
    const Kind = Base.discriminator(`Kind by ${kind}`, new Schema({ size: Number }), value as never);
    await Base.push({ name: 'base' });
    await Kind.push({ name: 'kind', size: 1 });

    expect((await Kind.popMany(5)).map(({ name }) => name)).toEqual(['kind']);
    expect((await Base.popMany(5)).map(({ name }) => name)).toEqual(['base']);
    expect(await Kind.syncIndexes()).toEqual([]);
  });

  it('hide what the schema of each hides, as a query does', async () => {
    const hidden = { type: String, select: false } as const;
    const Base = database.connection.model('HidingBase', taskQueue(new Schema({ name: String, secret: hidden })));
    const Kind = Base.discriminator('HidingKind', new Schema({ size: Number, ownSecret: hidden }));
    const fields = { name: 'kind', size: 1, secret: 'x', ownSecret: 'y' };
    await Kind.push([fields, fields]);

    const asQueried = Object.keys((await Base.findOne())!.toObject());
    const byBase = (await Base.pop())!;
    const byKind = (await Kind.pop())!;

    expect(Object.keys(byBase.toObject()).sort()).toEqual(asQueried.sort());
    expect(seen(byKind)).not.toHaveProperty('secret');
    expect(seen(byKind)).not.toHaveProperty('ownSecret');
    byBase.name = 'changed';
    await byBase.finish();
    expect(await stored(Base, byBase._id)).toMatchObject({ ...fields, name: 'changed' });
  });

  it('hide it from who pops their base also where the base and other kinds hide nothing', async () => {
    const Base = database.connection.model('OpenBase', taskQueue(new Schema({ name: String })));
    const login = new Schema({ name: String, password: { type: String, select: false } }, { _id: false });
    const secret = { type: String, select: false };
    const Closed = Base.discriminator('ClosedKind', new Schema({ value: secret, owner: login }));
    const Open = Base.discriminator('OpenKind', new Schema({ value: String }));
    const closed = { name: 'a', value: 'x', owner: { name: 'ada', password: 'y' } };
    await Closed.push(closed);
    await Open.push({ name: 'b', value: 'z' });

    const [first, second] = await Base.popMany(2);

    expect(first!.toObject()).toMatchObject({ name: 'a', owner: { name: 'ada' } });
    expect(JSON.stringify(first!.toObject())).not.toMatch(/"[xy]"/);
    expect(second!.toObject()).toMatchObject({ name: 'b', value: 'z' });
    await first!.set('name', 'changed').finish();
    expect(await stored(Base, first!._id)).toMatchObject({ ...closed, name: 'changed' });
  });

  it('inherit the save hooks and timestamps of their base', async () => {
    const schema = new Schema({ name: String }, { timestamps: true });
    const before = jest.fn();
    schema.pre('save', before);
    const Base = database.connection.model('HookedBase', taskQueue(schema));
    const Kind = Base.discriminator('HookedKind', new Schema({ size: Number }));

    const task = await Kind.push({ name: 'kind', size: 1 });
    await (await Kind.pop())!.finish();

    expect(before).toHaveBeenCalledTimes(1);
    const raw = await stored(Kind, task._id);
    expect(raw).toMatchObject({ state: State.FINISHED, createdAt: expect.any(Date) as Date });
    expect(raw['updatedAt'].getTime()).toBeGreaterThanOrEqual(raw['createdAt'].getTime());
  });
});
