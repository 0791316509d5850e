import { createConnection, Schema, type Connection, type Model, type mongo } from 'mongoose';
import { IndexConflictError, State, taskQueue, TaskQueueError } from '../../lib';
import type { TaskIndex } from '../../lib/indexes/existing';
import { type MonitoredConnection, monitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { type Mongod, startMongod } from '../support/mongod';
import { nativeOf, rawUpdate } from '../support/raw';
import { without } from '../support/without';

/* oxlint-disable-next-line typescript/no-explicit-any */
type AnyModel = Model<any, any, any, any, any, any>;

const LIVE = { $in: ['CREATED', 'RUNNING'] };
const CLAIM: TaskIndex = {
  name: 'task_claim',
  key: { priority: -1, '_task.availableAt': 1, _id: 1 },
  partialFilterExpression: { state: LIVE },
};
const KEY: TaskIndex = {
  name: 'task_key',
  key: { '_task.key': 1 },
  unique: true,
  partialFilterExpression: keysOf({ state: LIVE }),
};
const ENDED: TaskIndex = {
  name: 'task_ended',
  key: { state: 1, '_task.settledAt': -1 },
  partialFilterExpression: { state: { $in: ['FAILED', 'CANCELLED'] } },
};
const EXPIRY: TaskIndex = {
  name: 'task_expiry',
  key: { '_task.expiresFrom': 1 },
  expireAfterSeconds: 86_400,
  partialFilterExpression: { '_task.expiresFrom': { $exists: true } },
};
const CATEGORY: TaskIndex = {
  name: 'task_category',
  key: { category: 1, priority: -1, '_task.availableAt': 1, _id: 1 },
  partialFilterExpression: { state: LIVE },
};

/** Mongoose makes no indexes by itself, unless a spec is about that. */
const schema = (definition: object = {}, options: object = {}) =>
  new Schema({ to: String, ...definition }, { autoIndex: false, autoCreate: false, ...options });

async function indexesOf(model: AnyModel): Promise<mongo.Document[]> {
  const indexes = await nativeOf(model).indexes();
  return indexes
    .filter(({ name }) => name !== '_id_')
    .map((index) => without(index, 'v'))
    .sort((a, b) => (a['name'] < b['name'] ? -1 : 1));
}

const namesOf = async (model: AnyModel) => (await indexesOf(model)).map(({ name }) => name as string);

describe('ensureTaskIndexes', () => {
  const database = useDatabase();
  let monitored: MonitoredConnection;
  const others: Connection[] = [];
  let count = 0;

  beforeAll(async () => {
    monitored = await monitoredConnection(database.uri);
  });
  beforeEach(() => {
    count++;
  });
  afterEach(async () => {
    await Promise.all(others.splice(0).map((connection) => connection.destroy()));
  });
  afterAll(() => monitored.connection.destroy());

  /** Connections as other processes have them. */
  async function processes(length: number): Promise<Connection[]> {
    others.push(...(await Promise.all(Array.from({ length }, () => createConnection(database.uri).asPromise()))));
    return others;
  }

  /** A model of this test's collection, as another version of a program or another process would have it. */
  function emailModel(options: object = {}, own = schema(), { connection }: { connection: Connection } = monitored) {
    return connection.model(`Email${count}`, taskQueue(own, options), `emails${count}`, { overwriteModels: true });
  }

  describe('in an empty database', () => {
    it('creates the indexes of claims, keys and expiry', async () => {
      const Email = emailModel();

      await Email.ensureTaskIndexes();

      expect(await indexesOf(Email)).toEqual([CLAIM, ENDED, EXPIRY, KEY]);
    });

    it('creates one for the category where tasks have one', async () => {
      const Email = emailModel({ category: true });

      await Email.ensureTaskIndexes();

      expect(await indexesOf(Email)).toEqual([CATEGORY, CLAIM, ENDED, EXPIRY, KEY]);
    });

    it('creates them on the names of `fields`', async () => {
      const Email = emailModel({
        category: true,
        fields: { state: 'taskState', priority: 'urgency', category: 'lane' },
      });

      await Email.ensureTaskIndexes();

      const partialFilterExpression = { taskState: LIVE };
      expect(await indexesOf(Email)).toEqual([
        { ...CATEGORY, key: { lane: 1, urgency: -1, '_task.availableAt': 1, _id: 1 }, partialFilterExpression },
        { ...CLAIM, key: { urgency: -1, '_task.availableAt': 1, _id: 1 }, partialFilterExpression },
        {
          ...ENDED,
          key: { taskState: 1, '_task.settledAt': -1 },
          partialFilterExpression: { taskState: { $in: ['FAILED', 'CANCELLED'] } },
        },
        EXPIRY,
        { ...KEY, partialFilterExpression: keysOf(partialFilterExpression) },
      ]);
    });

    it('takes the expiry from the options', async () => {
      const Email = emailModel({ expireAfterSeconds: 60 });

      await Email.ensureTaskIndexes();

      expect(await indexesOf(Email)).toEqual([CLAIM, ENDED, { ...EXPIRY, expireAfterSeconds: 60 }, KEY]);
    });

    it.each<[string, Schema, object]>([
      ['that are kept for ever', schema() as Schema, { expireAfterSeconds: false }],
      ['of a model with a `createdAt` of its own', schema({ createdAt: Date }) as Schema, {}],
      ['of a model with timestamps', schema({}, { timestamps: true }) as Schema, {}],
      [
        'of a model with a creation time of another name',
        schema({}, { timestamps: { createdAt: 'at' } }) as Schema,
        {},
      ],
    ])('creates no expiry for tasks %s', async (_, own, options) => {
      const Email = emailModel(options, own as never);

      await Email.ensureTaskIndexes();

      expect(await namesOf(Email)).toEqual(['task_claim', 'task_ended', 'task_key']);
    });

    it.each<[string, Schema, object]>([
      [
        'that keeps a creation time and asks for it',
        schema({ createdAt: Date }) as Schema,
        { expireAfterSeconds: 86_400 },
      ],
      ['that keeps the time of changes only', schema({}, { timestamps: { createdAt: false } }) as Schema, {}],
      [
        'whose `createdAt` is another path than the task has',
        schema({ createdAt: Date }) as Schema,
        { fields: { createdAt: 'madeAt' } },
      ],
    ])('creates an expiry for a model %s', async (_, own, options) => {
      const Email = emailModel(options, own as never);

      await Email.ensureTaskIndexes();

      expect(await indexesOf(Email)).toEqual([CLAIM, ENDED, EXPIRY, KEY]);
    });
  });

  describe('where they are already', () => {
    it('changes nothing', async () => {
      const Email = emailModel({ category: true });
      await Email.ensureTaskIndexes();
      monitored.forget();

      await Email.ensureTaskIndexes();

      expect(monitored.sent('listIndexes')).toHaveLength(1);
      expect(writesTo(monitored)).toEqual([]);
    });

    it('creates the one that is missing', async () => {
      const Email = emailModel();
      await Email.ensureTaskIndexes();
      await Email.collection.dropIndex('task_key');

      await Email.ensureTaskIndexes();

      expect(await indexesOf(Email)).toEqual([CLAIM, ENDED, EXPIRY, KEY]);
    });

    it('leaves other indexes alone', async () => {
      const Email = emailModel();
      await Email.collection.createIndexes([
        { key: { to: 1 }, name: 'own' },
        // The same key, but for all documents: the server keeps both.
        { key: { priority: -1, '_task.availableAt': 1, _id: 1 }, name: 'report' },
      ]);

      await Email.ensureTaskIndexes();

      expect(await namesOf(Email)).toEqual(['own', 'report', 'task_claim', 'task_ended', 'task_expiry', 'task_key']);
      await Email.push({ to: 'ada' });
      expect(await Email.pop()).not.toBeNull();
    });

    it('can be called by many at once, in several processes', async () => {
      const models = (await processes(3)).map((connection) => emailModel({ category: true }, schema(), { connection }));

      await Promise.all(models.flatMap((Email) => [1, 2, 3].map(() => Email.ensureTaskIndexes())));

      expect(await indexesOf(models[0]!)).toEqual([CATEGORY, CLAIM, ENDED, EXPIRY, KEY]);
    });

    it('can be called while Mongoose creates them too', async () => {
      const models = (await processes(2)).map((connection) =>
        emailModel({ category: true }, schema({}, { autoIndex: true, autoCreate: true }), { connection }),
      );

      await Promise.all(models.flatMap((Email) => [Email.init(), Email.ensureTaskIndexes(), Email.pop()]));

      expect((await indexesOf(models[0]!)).map(withoutBackground)).toEqual([CATEGORY, CLAIM, ENDED, EXPIRY, KEY]);
    });

    it('is done by the first pop, and by it again when they were dropped', async () => {
      const Email = emailModel();
      await Email.push([{ to: 'ada' }, { to: 'bob' }]);
      expect(await namesOf(Email)).toEqual([]);

      expect(await Email.pop()).toMatchObject({ to: 'ada' });
      await Email.collection.dropIndexes();
      expect(await Email.pop()).toMatchObject({ to: 'bob' });

      expect(await indexesOf(Email)).toEqual([CLAIM, ENDED, EXPIRY, KEY]);
    });
  });

  it('that are still being built are waited for by the first pop', async () => {
    const Email = emailModel();
    const email = { state: State.CREATED, priority: 2, _task: { availableAt: new Date(0) } };
    // As many as keep the server building for a while.
    for (let part = 0; part < 20; part++)
      await nativeOf(Email).insertMany(Array.from({ length: 10_000 }, () => ({ ...email, _task: { ...email._task } })));
    const building = nativeOf(Email).createIndexes([CLAIM, ENDED, KEY, EXPIRY] as never);
    await eventually(async () => expect(await nativeOf(Email).indexExists('task_claim')).toBe(true));

    const [popped, stats] = await Promise.all([Email.pop(), Email.stats()]);

    expect(popped).not.toBeNull();
    expect(stats).toMatchObject({ failed: 0, cancelled: 0 });
    await building;
  });

  describe('with another expiry than before', () => {
    it('changes the index in place', async () => {
      await emailModel({ expireAfterSeconds: 60 }).ensureTaskIndexes();
      const Email = emailModel({ expireAfterSeconds: 3_600 });
      monitored.forget();

      await Email.ensureTaskIndexes();

      expect(await indexesOf(Email)).toEqual([CLAIM, ENDED, { ...EXPIRY, expireAfterSeconds: 3_600 }, KEY]);
      expect(writesTo(monitored)).toEqual([
        { collMod: Email.collection.name, index: { name: 'task_expiry', expireAfterSeconds: 3_600 } },
      ]);
    });

    it('changes it also where Mongoose, which cannot, fails to create it', async () => {
      await emailModel({ expireAfterSeconds: 60 }).ensureTaskIndexes();
      const Email = emailModel({ expireAfterSeconds: 3_600 }, schema({}, { autoIndex: true }));
      await expect(Email.init()).rejects.toMatchObject({ codeName: 'IndexOptionsConflict' });

      expect(await Email.pop()).toBeNull();

      expect(await indexesOf(Email)).toEqual([CLAIM, ENDED, { ...EXPIRY, expireAfterSeconds: 3_600 }, KEY]);
      await expect(Email.ensureIndexes()).resolves.not.toThrow();
    });

    it('makes an index that did not expire anything one that does', async () => {
      const Email = emailModel();
      await Email.collection.createIndex(
        EXPIRY.key,
        without(EXPIRY, 'key', 'expireAfterSeconds') as mongo.CreateIndexesOptions,
      );

      await Email.ensureTaskIndexes();

      expect(await indexesOf(Email)).toEqual([CLAIM, ENDED, EXPIRY, KEY]);
    });

    it('drops it when tasks are to be kept for ever', async () => {
      await emailModel({ expireAfterSeconds: 60 }).ensureTaskIndexes();
      const Email = emailModel({ expireAfterSeconds: false });
      monitored.forget();

      await Email.ensureTaskIndexes();

      expect(await indexesOf(Email)).toEqual([CLAIM, ENDED, KEY]);
      expect(writesTo(monitored)).toEqual([{ dropIndexes: Email.collection.name, index: 'task_expiry' }]);
    });

    it('drops it once when many ask for that', async () => {
      await emailModel({ expireAfterSeconds: 60 }).ensureTaskIndexes();
      const Email = emailModel({ expireAfterSeconds: false });

      await Promise.all([1, 2, 3, 4].map(() => Email.ensureTaskIndexes()));

      expect(await indexesOf(Email)).toEqual([CLAIM, ENDED, KEY]);
    });

    it('changes the index that another version created at that very moment', async () => {
      const [mine, other] = (await processes(2)).map((connection, index) =>
        emailModel({ expireAfterSeconds: 60 + index }, schema(), { connection }),
      );
      const { collection } = mine!;
      const create = collection.createIndexes.bind(collection);
      jest.spyOn(collection, 'createIndexes').mockImplementationOnce(async (...given) => {
        await other!.ensureTaskIndexes();
        return create(...given);
      });

      await mine!.ensureTaskIndexes();

      expect(await indexesOf(mine!)).toEqual([CLAIM, ENDED, { ...EXPIRY, expireAfterSeconds: 60 }, KEY]);
    });
  });

  describe('where an index is in the way', () => {
    it.each<[string, TaskIndex, object]>([
      ['has another key', CLAIM, { key: { priority: 1, '_task.availableAt': 1, _id: 1 } }],
      ['has the key in another order', CLAIM, { key: { '_task.availableAt': 1, priority: -1, _id: 1 } }],
      ['holds all documents', CLAIM, { partialFilterExpression: undefined }],
      ['holds other states', CLAIM, { partialFilterExpression: { state: 'CREATED' } }],
      ['has a collation', CLAIM, { collation: { locale: 'de' } }],
      ['is not unique', KEY, { unique: undefined }],
      ['is sparse', EXPIRY, { sparse: true, partialFilterExpression: undefined }],
    ])('refuses one that %s, shows both, and changes nothing', async (_, index, difference) => {
      const Email = emailModel({ category: true });
      await createIndex(Email, { ...index, ...difference });
      const [before] = await indexesOf(Email);
      monitored.forget();

      const error = await conflictOf(Email);

      expect(shownIn(error, 'expected')).toEqual(index);
      expect(without(shownIn(error, 'found'), 'v')).toEqual(before);
      expect(error.message).toContain(`\`${Email.modelName}.collection.dropIndex('${index.name}')\``);
      expect(writesTo(monitored)).toEqual([]);
    });

    it.each<[string, TaskIndex]>([
      ['claims, which name their index', CLAIM],
      ['keys', KEY],
      ['the expiry', EXPIRY],
    ])('refuses the one of %s under another name, as the server does', async (_, index) => {
      const Email = emailModel();
      await createIndex(Email, { ...index, name: 'own_name' });
      await expect(createIndex(Email, index)).rejects.toMatchObject({ codeName: 'IndexOptionsConflict' });
      monitored.forget();

      const error = await conflictOf(Email);

      expect(shownIn(error, 'expected')).toEqual(index);
      expect(without(shownIn(error, 'found'), 'v')).toEqual({ ...index, name: 'own_name' });
      expect(error.message).toContain("collection.dropIndex('own_name')");
      expect(writesTo(monitored)).toEqual([]);
    });

    it('is said by the first pop, and by each until the index is gone', async () => {
      const Email = emailModel();
      await Email.push({ to: 'ada' });
      await Email.collection.createIndex({ to: 1 }, { name: 'task_claim' });

      await expect(Email.pop()).rejects.toThrow(IndexConflictError);
      await expect(Email.pop()).rejects.toThrow(IndexConflictError);
      await Email.collection.dropIndex('task_claim');

      expect(await Email.pop()).toMatchObject({ to: 'ada' });
    });

    it('changes no expiry before it has looked at all of them', async () => {
      await emailModel({ expireAfterSeconds: 60 }).ensureTaskIndexes();
      const source = { type: Schema.Types.ObjectId, ref: `Email${count}`, dependsOn: 'DIRECT' };
      const Email = emailModel({ expireAfterSeconds: 61 }, schema({ source }));
      await Email.collection.createIndex({ to: 1 }, { name: 'task_waiting' });
      monitored.forget();

      await conflictOf(Email);

      expect(writesTo(monitored)).toEqual([]);
    });
  });

  describe('of a model and its kinds', () => {
    const baseModel = (options = {}, own = schema()) => {
      const Base = emailModel(options, own);
      const Kind = Base.discriminator(`Kind${count}`, new Schema({ n: Number }));
      return { Base, Kind };
    };
    const ofKind = (index: TaskIndex, Kind: AnyModel): TaskIndex => ({
      ...index,
      name: `${index.name}_${Kind.modelName}`,
      partialFilterExpression: { ...index.partialFilterExpression, __t: Kind.modelName },
    });

    it('creates those of the base for the base', async () => {
      const { Base } = baseModel({ category: true });

      await Base.ensureTaskIndexes();

      expect(await indexesOf(Base)).toEqual([CATEGORY, CLAIM, ENDED, EXPIRY, KEY]);
    });

    it('creates those of the base and the claims of the kind for the kind', async () => {
      const { Base, Kind } = baseModel({ category: true });

      await Kind.ensureTaskIndexes();

      expect(await indexesOf(Base)).toEqual([
        CATEGORY,
        ofKind(CATEGORY, Kind),
        CLAIM,
        ofKind(CLAIM, Kind),
        ENDED,
        EXPIRY,
        KEY,
      ]);
    });

    it('never drops the expiry of the base for a kind that keeps a creation time', async () => {
      const { Base } = baseModel();
      const Dated = Base.discriminator(`Dated${count}`, new Schema({ createdAt: { type: Date, immutable: true } }));
      await Base.ensureTaskIndexes();

      await Dated.ensureTaskIndexes();

      expect(await namesOf(Base)).toEqual([
        'task_claim',
        `task_claim_Dated${count}`,
        'task_ended',
        'task_expiry',
        'task_key',
      ]);
    });

    it('creates all of them for a kind that alone is a queue', async () => {
      const Base = monitored.connection.model(`Email${count}`, schema(), `emails${count}`);
      const Kind = Base.discriminator(`Kind${count}`, taskQueue(new Schema({ n: Number }), { category: true }));

      await Kind.ensureTaskIndexes();

      expect(await indexesOf(Kind)).toEqual([CATEGORY, CLAIM, ENDED, EXPIRY, KEY].map((index) => ofKind(index, Kind)));
    });

    it('are all declared, so that Mongoose creates them too', async () => {
      const { Base, Kind } = baseModel({}, schema({}, { autoIndex: true, autoCreate: true }));

      await Promise.all([Base.init(), Kind.init(), Kind.ensureTaskIndexes(), Base.ensureTaskIndexes()]);

      expect((await indexesOf(Base)).map(withoutBackground)).toEqual([CLAIM, ofKind(CLAIM, Kind), ENDED, EXPIRY, KEY]);
      expect(await Base.diffIndexes()).toEqual({ toDrop: [], toCreate: [] });
      expect(await Kind.diffIndexes()).toEqual({ toDrop: [], toCreate: [] });
    });
  });

  it('keeps what it creates when Mongoose synchronises the indexes', async () => {
    const Email = emailModel({ category: true, expireAfterSeconds: 60 });
    await Email.ensureTaskIndexes();

    expect(await Email.diffIndexes()).toEqual({ toDrop: [], toCreate: [] });
    expect(await Email.syncIndexes()).toEqual([]);
    expect(await namesOf(Email)).toEqual(['task_category', 'task_claim', 'task_ended', 'task_expiry', 'task_key']);
  });
});

describe('expiry', () => {
  let mongod: Mongod;
  let connection: Connection;

  beforeAll(async () => {
    mongod = await startMongod({ parameters: { ttlMonitorSleepSecs: 1 } });
    connection = await createConnection(`${mongod.uri}expiry`).asPromise();
  });
  afterAll(async () => {
    await connection.destroy();
    await mongod.stop();
  });

  it('deletes tasks whose time is over, and no document that was never pushed', async () => {
    const Email = connection.model('Email', taskQueue(schema(), { expireAfterSeconds: 600 }));
    await Email.ensureTaskIndexes();
    await Email.create({ to: 'never pushed', createdAt: new Date(0) });
    await Email.collection.insertOne({ to: 'never a task' });
    await Email.collection.insertOne({ to: 'written by another program', state: State.CREATED });
    await Email.push({ to: 'young' });
    await Email.push({ to: 'delayed' }, { runAt: new Date(Date.now() + 60_000) });
    for (const state of Object.values(State)) {
      const { _id } = await Email.push({ to: `old and ${state}` });
      await rawUpdate(Email, _id, { $set: { state, '_task.expiresFrom': new Date(Date.now() - 601_000) } });
    }

    await passOfMonitor(connection);

    expect((await Email.find().sort({ _id: 1 })).map(({ to }) => to)).toEqual([
      'never pushed',
      'never a task',
      'written by another program',
      'young',
      'delayed',
    ]);
  });

  it('deletes nothing of a model that keeps a creation time', async () => {
    const Email = connection.model('Record', taskQueue(schema({}, { timestamps: true })));
    const { _id } = await Email.push({ to: 'old' });
    await Email.ensureTaskIndexes();
    await rawUpdate(Email, _id, { $set: { '_task.expiresFrom': new Date(0) } });

    await passOfMonitor(connection);

    expect(await Email.countDocuments()).toBe(1);
  });
});

/** A whole pass: the one that is under way may have begun before. */
async function passOfMonitor({ db }: Connection): Promise<void> {
  const passes = async () => (await db!.admin().serverStatus())['metrics'].ttl.passes as number;
  const before = await passes();
  await eventually(async () => expect(await passes()).toBeGreaterThanOrEqual(before + 2));
}

/** The filter of the index of keys: live tasks, and those whose window may be open. */
function keysOf(live: object): Record<string, unknown> {
  return { '_task.key': { $exists: true }, $or: [live, { '_task.throttledUntil': { $exists: true } }] };
}

async function conflictOf(model: { ensureTaskIndexes(): Promise<void> }): Promise<IndexConflictError> {
  const error: unknown = await model.ensureTaskIndexes().catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(IndexConflictError);
  expect(error).toBeInstanceOf(TaskQueueError);
  return error as IndexConflictError;
}

/** The definition that a conflict shows behind a word. */
function shownIn({ message }: Error, word: 'expected' | 'found'): object {
  const [, json] = new RegExp(`${word}: +(.*)$`, 'm').exec(message) ?? [];
  return JSON.parse(json ?? 'null') as object;
}

async function createIndex(model: AnyModel, index: object): Promise<void> {
  const given = Object.entries(index).filter(([, value]) => value !== undefined);
  await nativeOf(model).createIndexes([Object.fromEntries(given) as mongo.IndexDescription]);
}

/** The commands that changed an index, without what the driver adds to each. */
function writesTo(monitored: MonitoredConnection): mongo.Document[] {
  return ['createIndexes', 'dropIndexes', 'collMod', 'create'].flatMap((name) =>
    monitored.sent(name).map(({ body }) => without(body, 'lsid', '$db')),
  );
}

/** Mongoose asks for it, and no server since 4.2 knows it. */
const withoutBackground = (index: mongo.Document) => without(index, 'background');
