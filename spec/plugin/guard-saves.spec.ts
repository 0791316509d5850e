import { Schema, type Document } from 'mongoose';
import { LeaseLostError, State, taskQueue } from 'mongoose-task-queue';
import { useDatabase } from '../support/database';
import { itOnMongoose9 } from '../support/on-mongoose9';
import { endLease, nativeOf, rawUpdate, stored, storedBytes } from '../support/raw';
import { seen } from '../support/seen';

describe('save', () => {
  const database = useDatabase();
  const makeEmail = () =>
    database.connection.model(
      'Email',
      taskQueue(new Schema({ to: String, size: Number, copies: [String] }, { timestamps: true })),
    );
  let Email: ReturnType<typeof makeEmail>;

  beforeAll(() => {
    Email = makeEmail();
  });

  beforeEach(async () => {
    await Email.deleteMany({});
  });

  const popped = async (fields = {}) => {
    await Email.push({ to: 'ada@example.org', ...fields });
    return (await Email.pop())!;
  };
  const takenOver = async () => {
    const first = await popped();
    await endLease(Email, first._id);
    return { first, second: (await Email.pop())! };
  };

  describe('of a new document', () => {
    it.each([
      ['save', () => new Email({ to: 'ada@example.org' }).save()],
      ['create', () => Email.create({ to: 'ada@example.org' })],
      ['insertMany', async () => (await Email.insertMany([{ to: 'ada@example.org' }]))[0]!],
      [
        'bulkSave',
        async () => {
          const email = new Email({ to: 'ada@example.org' });
          await Email.bulkSave([email]);
          return email;
        },
      ],
    ])('by `%s()` stores it PENDING, and nobody pops it', async (_name, store) => {
      const { _id } = await store();

      const raw = await stored(Email, _id);
      expect(raw).toMatchObject({ state: 'PENDING', priority: 2 });
      expect(raw).not.toHaveProperty('_task');
      expect(await Email.pop()).toBeNull();
    });

    it('never queues it, however often it is saved', async () => {
      const email = await new Email({ to: 'ada@example.org' }).save();
      email.size = 3;
      await email.save();
      await (await Email.findById(email._id))!.save();

      expect((await stored(Email, email._id))['state']).toBe('PENDING');
      expect(await Email.pop()).toBeNull();
    });
  });

  describe('of a task that this handle holds', () => {
    it('writes the changes, and the handle goes on holding it', async () => {
      const task = await popped();
      const before = await stored(Email, task._id);
      const { lease } = task;

      task.size = 3;
      await task.save();

      expect(await stored(Email, task._id)).toEqual({ ...before, size: 3, updatedAt: task.get('updatedAt') });
      expect(task.lease).toEqual(lease);
      await task.finish();
    });

    it('works after the lease has ended, as long as nobody took over', async () => {
      const task = await popped();
      await endLease(Email, task._id);

      task.size = 3;
      await task.save();

      expect((await stored(Email, task._id))['size']).toBe(3);
    });

    it('works after it was renewed, settled, and popped again', async () => {
      const task = await popped();
      await task.renew();
      task.size = 1;
      await task.save();
      await task.retry({ delayMs: 0 });
      task.size = 2;
      await task.save();
      const again = (await Email.pop())!;

      again.size = 3;
      await again.save();

      expect((await stored(Email, task._id))['size']).toBe(3);
    });

    it('leaves a filter that the user set with `$where` as it was', async () => {
      const task = await popped({ size: 1 });
      const filter = { size: 1 };
      task.$where = filter;

      task.size = 2;
      await task.save();

      expect(task.$where).toBe(filter);
      task.size = 3;
      await expect(task.save()).rejects.toMatchObject({ name: 'DocumentNotFoundError' });
      expect(task.$where).toBe(filter);
    });

    it('sets no `$where` of its own', async () => {
      const task = await popped();

      task.size = 2;
      await task.save();

      expect(task.$where).toBeUndefined();
    });
  });

  describe('of a handle that lost its lease', () => {
    const changed = async () => {
      const { first, second } = await takenOver();
      first.size = 3;
      first.copies.push('bob@example.org');
      return { first, second, before: await stored(Email, first._id) };
    };

    it('is refused, and leaves the document as it is', async () => {
      const { first, second, before } = await changed();

      const save = first.save();

      await expect(save).rejects.toThrow(LeaseLostError);
      await expect(save).rejects.toMatchObject({ taskId: first._id });
      expect(await stored(Email, first._id)).toEqual(before);
      second.size = 4;
      await second.save();
    });

    // Mongoose 8 writes nothing then, and only looks whether the document is there.
    itOnMongoose9('is refused without changes as well', async () => {
      const { first } = await takenOver();

      await expect(first.save()).rejects.toThrow(LeaseLostError);
    });

    it.each([
      ['validateBeforeSave: false', { validateBeforeSave: false }],
      ['timestamps: false', { timestamps: false }],
      ['middleware: false', { middleware: false }],
      ['middleware: { pre: false }', { middleware: { pre: false } }],
      ['middleware: { post: false }', { middleware: { post: false } }],
      ['pathsToSave', { pathsToSave: ['size'] }],
    ])('is refused with `%s`', async (_name, options) => {
      const { first, before } = await changed();

      await expect(first.save(options as never)).rejects.toThrow(LeaseLostError);

      expect(await stored(Email, first._id)).toEqual(before);
    });

    it('is refused by `bulkSave()`', async () => {
      const { first, before } = await changed();

      await expect(Email.bulkSave([first])).rejects.toThrow();

      expect(await stored(Email, first._id)).toEqual(before);
    });

    it.each([
      ['with its changes', () => {}],
      ['without them', (task: Document) => task.directModifiedPaths().forEach((path) => task.unmarkModified(path))],
    ])('is refused each push and save later, %s, when `bulkSave()` was refused', async (_how, prepare) => {
      const { first, second } = await changed();
      await expect(Email.bulkSave([first])).rejects.toThrow();
      prepare(first);
      await second.finish();
      const before = await stored(Email, first._id);

      await expect(first.push()).rejects.toThrow(LeaseLostError);
      first.size = 5;
      await expect(first.save()).rejects.toThrow(LeaseLostError);

      expect(first.$where).toBeUndefined();
      expect(await stored(Email, first._id)).toEqual(before);
    });

    it('is left out by a `bulkSave()` of several', async () => {
      const { first, before } = await changed();
      const other = await popped();
      other.size = 3;

      await Email.bulkSave([other, first]).catch(() => {});

      expect(await stored(Email, first._id)).toEqual(before);
      expect(await stored(Email, other._id)).toMatchObject({ size: 3 });
      await other.finish();
    });

    it('is refused each time, and keeps the changes in the handle', async () => {
      const { first, before } = await changed();
      await expect(first.save()).rejects.toThrow(LeaseLostError);

      await expect(first.save()).rejects.toThrow(LeaseLostError);

      expect(first.directModifiedPaths()).toEqual(expect.arrayContaining(['size', 'copies']));
      expect(seen(first)).toMatchObject({ size: 3, copies: ['bob@example.org'] });
      expect(await stored(Email, first._id)).toEqual(before);
    });

    it('is refused after the next holder has finished', async () => {
      const { first, second } = await takenOver();
      await second.finish();
      const before = await stored(Email, first._id);

      first.size = 3;
      await expect(first.save()).rejects.toThrow(LeaseLostError);

      expect(await stored(Email, first._id)).toEqual(before);
    });

    it('is refused where the versions of arrays matter', async () => {
      const task = await popped({ copies: ['a', 'b'] });
      await endLease(Email, task._id);
      await Email.pop();
      await rawUpdate(Email, task._id, { $inc: { __v: 1 } });

      task.set('copies.0', 'changed');

      await expect(task.save()).rejects.toThrow(LeaseLostError);
    });

    it("is Mongoose's own error when the document was deleted", async () => {
      const task = await popped();
      await Email.deleteOne({ _id: task._id });

      task.size = 3;

      await expect(task.save()).rejects.toMatchObject({ name: 'DocumentNotFoundError' });
    });

    it("is Mongoose's own error when only the version changed", async () => {
      const task = await popped({ copies: ['a', 'b'] });
      await rawUpdate(Email, task._id, { $inc: { __v: 1 } });

      task.set('copies.0', 'changed');

      await expect(task.save()).rejects.toMatchObject({ name: 'VersionError' });
    });
  });

  describe('of a handle that is behind the database', () => {
    it('changes neither state nor bookkeeping, wherever the task is now', async () => {
      const email = await Email.push({ to: 'ada@example.org' });
      const handles = [email, (await Email.findById(email._id))!];
      const steps = [
        () => Email.pop(),
        () => endLease(Email, email._id),
        async () => (await Email.pop())!.finish(),
        async () => (await Email.findById(email._id))!.push(),
      ];

      for (const [index, step] of steps.entries()) {
        await step();
        const { state, _task } = await stored(Email, email._id);
        for (const handle of handles) {
          handle.size = index;
          await handle.save();
        }
        expect(await stored(Email, email._id)).toMatchObject({ state, _task, size: index });
      }
    });

    it('of the one who settled the task writes fields only', async () => {
      const task = await popped();
      await task.finish();
      await (await Email.findById(task._id))!.push();
      const next = (await Email.pop())!;

      task.size = 3;
      await task.save();

      expect(await stored(Email, task._id)).toMatchObject({ state: 'RUNNING', size: 3 });
      await next.finish();
    });
  });
});

describe('documents that were there before the plugin', () => {
  const database = useDatabase();
  const fields = {
    name: 'Ada',
    count: 1,
    ratio: 1.5,
    at: new Date(0),
    tags: ['a', 'b'],
    nested: { deep: { x: 1 } },
    parts: [{ name: 'one' }],
    unknown: { to: ['the', 'schema'] },
    empty: null,
  };
  const schema = (options = {}) =>
    new Schema(
      {
        name: String,
        count: Number,
        ratio: Number,
        at: Date,
        tags: [String],
        nested: { deep: { x: Number } },
        parts: [new Schema({ name: String })],
        empty: String,
        missing: String,
      },
      options,
    );

  const changes: [string, (document: Document) => void][] = [
    ['nothing', () => {}],
    ['one field', (document) => document.set('name', 'Grace')],
    ['a nested field', (document) => document.set('nested.deep.x', 2)],
    ['an array', (document) => (document.get('tags') as string[]).push('c')],
    ['a field that was missing', (document) => document.set('missing', 'x')],
    ['a field that was removed', (document) => document.set('count', undefined)],
  ];

  describe.each([
    ['a plain schema', () => schema(), {}],
    ['timestamps', () => schema({ timestamps: { updatedAt: false } }), {}],
    ['a category', () => schema(), { category: true }],
    ['a strict schema', () => schema({ strict: 'throw' }), {}],
    ['no minimizing', () => schema({ minimize: false }), {}],
    ['no version', () => schema({ versionKey: false }), {}],
    ['other paths', () => schema(), { fields: { state: 'taskState', priority: 'taskPriority' } }],
  ])('with %s', (name, makeSchema, options) => {
    const Before = () => modelNamed(`${name} before`, makeSchema());
    const After = () => modelNamed(`${name} after`, taskQueue(makeSchema(), options));
    const modelNamed = (modelName: string, made: Schema) =>
      (database.connection.models[modelName] ?? database.connection.model(modelName, made)) as ReturnType<
        typeof database.connection.model
      >;

    it.each(changes)(
      'have the bytes that Mongoose alone would give them when %s is changed and saved',
      async (_change, change) => {
        const { insertedId: _id } = await nativeOf(Before()).insertOne({ ...structuredClone(fields) });
        await nativeOf(After()).insertOne({ ...structuredClone(fields), _id });

        for (const Model of [Before(), After()]) {
          const document = (await Model.findById(_id))!;
          change(document);
          await document.save();
        }

        expect(await storedBytes(After(), _id)).toBe(await storedBytes(Before(), _id));
      },
    );
  });

  it('keep their bytes when they are read and saved without a change', async () => {
    const Person = database.connection.model('Person', taskQueue(schema()));
    const { insertedId } = await nativeOf(Person).insertOne(structuredClone(fields));
    const before = await storedBytes(Person, insertedId);

    await (await Person.findById(insertedId))!.save();
    for await (const person of Person.find().cursor()) await person.save();

    expect(await storedBytes(Person, insertedId)).toBe(before);
  });

  it('show no path of ours', async () => {
    const Person = database.connection.model('ShownPerson', taskQueue(schema()));
    const { insertedId } = await nativeOf(Person).insertOne({ name: 'Ada' });
    const person = (await Person.findById(insertedId))!;

    expect(Object.keys(person.toObject()).filter((key) => ['state', 'priority', 'createdAt'].includes(key))).toEqual(
      [],
    );
  });

  it('become tasks when they are pushed, with what new ones have', async () => {
    const Person = database.connection.model('PushedPerson', taskQueue(schema()));
    const { insertedId } = await nativeOf(Person).insertOne({ name: 'Ada' });

    await (await Person.findById(insertedId))!.push();

    const raw = await stored(Person, insertedId);
    expect(raw).toMatchObject({ name: 'Ada', state: 'CREATED', priority: 2 });
    expect(raw['createdAt']).toBeInstanceOf(Date);
    expect(seen(await Person.pop())).toMatchObject({ name: 'Ada', state: State.RUNNING });
  });

  it('keep a priority that a projection left out', async () => {
    const Person = database.connection.model('ProjectedPerson', taskQueue(schema()));
    const { insertedId } = await nativeOf(Person).insertOne({ name: 'Ada', priority: 7 });

    await (await Person.findById(insertedId).select('name'))!.push();

    expect((await stored(Person, insertedId))['priority']).toBe(7);
  });
});
