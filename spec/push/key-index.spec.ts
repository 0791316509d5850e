import { Schema, type Connection } from 'mongoose';
import { State, taskQueue } from 'mongoose-task-queue';
import { monitoredConnection, type MonitoredConnection } from '../support/commands';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { nativeOf, stored } from '../support/raw';

const key = 'invoice 1';

describe('a key after its index was dropped', () => {
  const database = useDatabase();
  let monitored: MonitoredConnection;

  beforeAll(async () => {
    monitored = await monitoredConnection(database.uri);
  });

  const makePlain = (connection: Connection) => connection.model('Plain', taskQueue(new Schema({ n: Number })));
  const makeRich = (connection: Connection) =>
    connection.model('Rich', taskQueue(new Schema({ n: Number, list: [Number] })));
  const makeHooked = (connection: Connection) => {
    const schema = new Schema({ n: Number });
    schema.pre('save', () => {});
    return connection.model('Hooked', taskQueue(schema));
  };
  const makeKind = (connection: Connection) => {
    const Base = connection.model('Base', new Schema({ n: Number }, { discriminatorKey: 'kind' }));
    return Base.discriminator('Kind', taskQueue(new Schema({ m: Number }))) as unknown as ReturnType<typeof makePlain>;
  };
  const kinds = { plain: makePlain, rich: makeRich, hooked: makeHooked, kind: makeKind };

  const drops: Record<string, (Model: ReturnType<typeof makePlain>) => Promise<unknown>> = {
    'its collection': (Model) => Model.collection.drop(),
    'its database': (Model) => Model.db.dropDatabase(),
    'its indexes': (Model) => nativeOf(Model).dropIndexes(),
    'its index, by another process': async (Model) => {
      const other = await openConnection(database.uri);
      await other
        .collection(Model.collection.name)
        .dropIndex(Model.modelName === 'Kind' ? 'task_key_Kind' : 'task_key');
    },
    'its collection, by another process': async (Model) => {
      const other = await openConnection(database.uri);
      await other.collection(Model.collection.name).drop();
    },
  };

  describe.each(Object.entries(kinds))('(%s)', (_kind, make) => {
    let Model: ReturnType<typeof makePlain>;

    beforeAll(() => {
      Model = make(monitored.connection) as typeof Model;
    });

    beforeEach(async () => {
      await Model.deleteMany();
      await Model.push({ n: 0 }, { key });
      await (await Model.pop())!.finish();
    });

    it.each(Object.entries(drops))('is taken once after the drop of %s', async (_name, drop) => {
      await drop(Model);

      const one = await Model.push({ n: 1 }, { key });
      const two = await Model.push({ n: 2 }, { key });

      expect(two.id).toBe(one.id);
      expect(await Model.countDocuments({ state: State.CREATED })).toBe(1);
      expect((await Model.pop())?.n).toBe(1);
    });

    it.each(Object.entries(drops))('is taken once by many at once after the drop of %s', async (_name, drop) => {
      await drop(Model);

      const all = await Promise.all(Array.from({ length: 10 }, (_, n) => Model.push({ n }, { key })));

      expect(new Set(all.map(({ id }) => id as string)).size).toBe(1);
      expect(await Model.countDocuments({ state: State.CREATED })).toBe(1);
    });

    it('is taken once by stored documents that are pushed', async () => {
      const documents = await Model.create([{ n: 1 }, { n: 2 }]);
      await nativeOf(Model).dropIndexes();

      const ids = [];
      for (const document of documents) ids.push((await document.push({ key })).id as string);

      expect(ids).toEqual([documents[0]!.id, documents[0]!.id]);
    });
  });

  it('costs no command more than an insert', async () => {
    const Plain = makePlain(database.connection);
    await Plain.ensureTaskIndexes();
    const Monitored = monitored.connection.model('Plain') as unknown as typeof Plain;
    await Monitored.push({ n: 0 }, { key: 'other' });
    monitored.forget();

    await Monitored.push({ n: 1 }, { key: 'new' });

    expect(monitored.all().map(({ name }) => name)).toEqual(['update']);
  });

  describe('while it was missing', () => {
    const raw = (n: number, fields: object, task: object) => ({
      n,
      priority: 2,
      ...fields,
      _task: { key, dueAt: new Date(n), availableAt: new Date(n), ...task },
    });

    it('leaves the first of several live tasks, and fails the others with the reason', async () => {
      const Plain = makePlain(await openConnection(database.uri));
      await Plain.init();
      await nativeOf(Plain).drop();
      await nativeOf(Plain).insertMany([3, 1, 2].map((n) => raw(n, { state: 'CREATED' }, {})));

      const task = (await Plain.pop())!;

      expect(task.n).toBe(1);
      const others = await Plain.find({ state: State.FAILED });
      expect(others.map(({ failures }) => failures.at(-1)!.message)).toEqual(
        Array(2).fill(
          `Another live task has the key "${key}": this one was pushed while the index of keys was missing.`,
        ),
      );
      expect((await Plain.push({ n: 4 }, { key })).id).toBe(task.id);
      await task.finish();
      expect(await Plain.pop()).toBeNull();
    });

    it('leaves the key to one that is held, and another that is held its work', async () => {
      const Plain = makePlain(await openConnection(database.uri));
      await Plain.init();
      await nativeOf(Plain).drop();
      await Plain.push([{ n: 1 }, { n: 2 }, { n: 3 }]);
      const [one, two] = await Plain.popMany(2);
      await nativeOf(Plain).dropIndexes();
      await nativeOf(Plain).updateMany({}, { $set: { '_task.key': key } });

      await Plain.ensureTaskIndexes();

      expect((await stored(Plain, one!._id))['_task'].key).toBe(key);
      expect((await stored(Plain, two!._id))['_task']).not.toHaveProperty('key');
      expect(await Plain.countDocuments({ state: State.FAILED })).toBe(1);
      await Promise.all([one!.finish(), two!.finish()]);
      expect(await Plain.countDocuments({ state: State.FINISHED })).toBe(2);
    });
  });
});

describe('a key in a transaction after its index was dropped', () => {
  const database = useDatabase('replicaSet');

  it('is taken once', async () => {
    const Job = database.connection.model('Job', taskQueue(new Schema({ n: Number })));
    const live = await Job.push({ n: 1 }, { key });
    await nativeOf(Job).dropIndexes();

    const ids: string[] = [];
    await database.connection.transaction(async (session) => {
      ids.push((await Job.push({ n: 2 }, { key, session })).id as string);
    });

    expect(ids).toEqual([live.id]);
    expect((await nativeOf(Job).indexes()).map(({ name }) => name as string)).toContain('task_key');
  });
});
