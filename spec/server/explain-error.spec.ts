import { createConnection, Schema, type Connection, type mongo } from 'mongoose';
import { State, taskQueue, UnauthorizedError, Worker } from 'mongoose-task-queue';
import { doctor } from 'mongoose-task-queue/doctor';
import { advance, drain } from 'mongoose-task-queue/testing';
import { explained } from '../../lib/server/explain-error';
import { deferred } from '../support/deferred';
import { type Mongod, startMongod } from '../support/mongod';
import { stored } from '../support/raw';

type Action =
  'find' | 'insert' | 'update' | 'remove' | 'listIndexes' | 'createIndex' | 'collMod' | 'dropIndex' | 'changeStream';
type Privileges = Partial<Record<'parts' | 'wholes' | '', Action[]>>;

const SECRET = 'a secret of the document';

/** What docs/operating.md lists. */
const PRODUCE: Action[] = ['insert'];
const WORK: Action[] = ['find', 'update'];
const DEPLOY: Action[] = ['listIndexes', 'createIndex'];

describe('a user with few rights', () => {
  let server: Mongod;
  let root: Connection;
  const connections: Connection[] = [];
  let count = 0;

  beforeAll(async () => {
    server = await startMongod({ auth: true, replicaSet: true });
    root = await createConnection(server.uri, { dbName: 'jobs' }).asPromise();
  });
  beforeEach(() => root.dropDatabase());
  afterEach(async () => {
    await Promise.all(connections.splice(0).map((connection) => connection.destroy()));
  });
  afterAll(async () => {
    await root.destroy();
    await server.stop();
  });

  async function userWith(privileges: Privileges): Promise<Connection> {
    const name = `user${(count += 1)}`;
    const admin = root.useDb('admin').db!;
    const granted = Object.entries(privileges).map(([collection, actions]) => ({
      resource: { db: 'jobs', collection },
      actions,
    }));
    await admin.command({ createRole: name, privileges: granted, roles: [] });
    await admin.command({ createUser: name, pwd: name, roles: [name] });
    const uri = server.uri.replace('root:root', `${name}:${name}`);
    const connection = await createConnection(uri, { dbName: 'jobs' }).asPromise();
    connections.push(connection);
    return connection;
  }

  const makeModels = (connection: Connection, options: object = {}) => {
    const part = { type: Schema.Types.ObjectId, ref: 'Part', dependsOn: 'DIRECT' };
    const Part = connection.model(
      'Part',
      taskQueue(new Schema({ note: String }), { recheckMs: 600_000, ...options }),
      'parts',
      {
        overwriteModels: true,
      },
    );
    const Whole = connection.model(
      'Whole',
      taskQueue(new Schema({ note: String, part }), { recheckMs: 600_000, ...options }),
      'wholes',
      { overwriteModels: true },
    );
    return { Part, Whole };
  };

  /** As a deploy step, with all that it needs. */
  const deploy = async (options?: object) => {
    const { Part, Whole } = makeModels(await userWith({ parts: DEPLOY, wholes: DEPLOY }), options);
    for (const Model of [Part, Whole]) await Model.ensureTaskIndexes();
    await root.createCollection('parts').catch(() => {});
  };

  async function refusalOf(call: () => Promise<unknown>): Promise<UnauthorizedError> {
    const error: unknown = await call().then(
      (result) => new Error(`it was accepted, with ${String(result)}`),
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(UnauthorizedError);
    expect(error).toMatchObject({ code: 13, codeName: 'Unauthorized' });
    expect(JSON.stringify(error) + String(error) + String((error as Error).stack)).not.toContain(SECRET);
    expect(error).not.toHaveProperty('cause');
    return error as UnauthorizedError;
  }

  it('produces with `insert`; with keys by `find` and `update`, with dependencies by both of them there', async () => {
    await deploy();
    const { Part } = makeModels(await userWith({ parts: PRODUCE }));
    const part = await Part.push({ note: SECRET });
    await Part.push([{ note: SECRET }, { note: SECRET }]);

    const keyed = makeModels(await userWith({ parts: [...PRODUCE, 'find', 'update'] })).Part;
    await keyed.push({ note: SECRET }, { key: 'one' });
    await keyed.push({ note: SECRET }, { key: 'one' });

    const { Whole } = makeModels(await userWith({ wholes: PRODUCE, parts: WORK }));
    const whole = await Whole.push({ part: part._id });
    expect(await stored(makeModels(root).Whole, whole._id)).toMatchObject({ _task: { waitingOn: [{ id: part._id }] } });
    expect(await makeModels(root).Part.stats()).toMatchObject({ created: 4 });
  });

  it('works with `find` and `update`, where the indexes are there, and is woken by what it waits for', async () => {
    await deploy();
    const { Part, Whole } = makeModels(await userWith({ parts: WORK, wholes: WORK }));
    const pusher = makeModels(root);
    const part = await pusher.Part.push({ note: SECRET });
    await pusher.Whole.push({ part: part._id });
    await pusher.Part.push({ note: SECRET }, { every: 60_000, key: 'often' });
    expect(await Whole.pop()).toBeNull();

    const [first, second] = await Part.popMany(2);
    await first!.progress(1);
    await first!.retry({ delayMs: 0 });
    const again = (await Part.pop())!;
    again.note = 'another';
    await again.finish();
    await second!.finish();

    // Its re-check is minutes away: only the mark tells.
    const whole = (await Whole.pop())!;
    await whole.release();
    await (await Whole.pop())!.fail(new Error('no'));
    expect(await Whole.stats()).toMatchObject({ failed: 1 });
    expect(await Whole.blocked()).toEqual([]);
    await Part.ensureTaskIndexes();
  });

  it('runs a worker with `find` and `update`', async () => {
    await deploy();
    await makeModels(root).Part.push({ note: SECRET });
    const { Part } = makeModels(await userWith({ parts: WORK }));
    const done = deferred<string | null | undefined>();
    const worker = new Worker(Part, { changeStreams: false, handler: ({ note }) => done.resolve(note) });
    const errors: unknown[] = [];
    worker.on('error', (error) => errors.push(error));
    await worker.start();

    expect(await done.promise).toBe(SECRET);
    await worker.stop();
    expect(errors).toEqual([]);
  });

  it('creates indexes with `createIndex`, changes their expiry with `collMod`, drops it with `dropIndex`', async () => {
    const names = async () => (await root.collection('parts').indexes()).map(({ name }) => name);
    const create = makeModels(await userWith({ parts: ['createIndex', 'find'] })).Part;
    await create.ensureTaskIndexes();
    expect(await names()).toEqual(['_id_', 'task_claim', 'task_key', 'task_ended', 'task_expiry']);

    const change = { expireAfterSeconds: 60 };
    const lacking = makeModels(await userWith({ parts: DEPLOY }), change).Part;
    expect((await refusalOf(() => lacking.ensureTaskIndexes())).message).toContain('right `collMod` on `jobs.parts`');
    await makeModels(await userWith({ parts: [...DEPLOY, 'collMod'] }), change).Part.ensureTaskIndexes();
    expect(await root.collection('parts').indexes()).toContainEqual(expect.objectContaining(change));

    const keep = { expireAfterSeconds: false };
    const unable = makeModels(await userWith({ parts: DEPLOY }), keep).Part;
    expect((await refusalOf(() => unable.ensureTaskIndexes())).message).toContain('right `dropIndex` on `jobs.parts`');
    await makeModels(await userWith({ parts: [...DEPLOY, 'dropIndex'] }), keep).Part.ensureTaskIndexes();
    expect(await names()).toEqual(['_id_', 'task_claim', 'task_key', 'task_ended']);
  });

  it.each<Action[]>([[], ['listIndexes']])(
    'is told that an index is missing and `createIndex` too (%s)',
    async (...more) => {
      await root.collection('parts').insertOne({ note: SECRET, state: State.CREATED });
      const { Part } = makeModels(await userWith({ parts: [...WORK, ...more] }));

      for (const call of [() => Part.pop(), () => new Worker(Part, { handler: () => {} }).start()]) {
        const { message } = await refusalOf(call);
        expect(message).toContain('right `createIndex` on `jobs.parts`');
        expect(message).toContain('ensureTaskIndexes()');
      }
    },
  );

  it.each<[string, Action[], string, (models: ReturnType<typeof makeModels>) => Promise<unknown>]>([
    ['push()', ['find'], 'insert', ({ Part }) => Part.push({ note: SECRET })],
    ['push() of many', ['find'], 'insert', ({ Part }) => Part.push([{ note: SECRET }, { note: SECRET }])],
    ['push() with a key', ['find', 'insert'], 'update', ({ Part }) => Part.push({ note: SECRET }, { key: 'a' })],
    ['push() again', ['find'], 'update', async ({ Part }) => (await Part.findOne({ note: SECRET }))!.push()],
    ['pop()', ['find'], 'find` and `update', ({ Part }) => Part.pop()],
    ['popMany()', ['find'], 'update', ({ Part }) => Part.popMany(2)],
    ['pop() without `find`', ['update'], 'find', ({ Part }) => Part.pop()],
    ['finish()', ['find'], 'update', async ({ Part }) => (await Part.findOne({ note: SECRET }))!.finish()],
    [
      'finish() with changed fields',
      ['find'],
      'update',
      async ({ Part }) => {
        const part = (await Part.findOne({ note: SECRET }))!;
        part.note = `${SECRET}, changed`;
        await part.finish();
      },
    ],
    [
      'unschedule()',
      ['find'],
      'find` and `update',
      async ({ Part }) => (await Part.findOne({ note: SECRET }))!.unschedule(),
    ],
    ['stats()', ['update'], 'find', ({ Part }) => Part.stats()],
    ['isEmpty()', ['update'], 'find', ({ Part }) => Part.isEmpty()],
    ['blocked()', ['update'], 'find', ({ Part }) => Part.blocked()],
    ['drain()', ['update'], 'find', ({ Part }) => drain(Part, { handler: () => {} })],
    ['advance() without `find`', ['update'], 'find', ({ Part }) => advance(Part, 1_000)],
    ['advance()', ['find'], 'update', ({ Part }) => advance(Part, 1_000)],
  ])('is told by %s which right is missing, without a document', async (_verb, actions, right, call) => {
    await deploy();
    await makeModels(root).Part.push([{ note: SECRET }, { note: SECRET }, { note: SECRET }]);
    const models = makeModels(await userWith({ parts: actions }));

    const { message } = await refusalOf(() => call(models));

    expect(message).toContain(`\`${right}\` on \`jobs.parts\``);
  });

  it('is told by each check of the doctor which right is missing, without a document', async () => {
    await deploy();
    await makeModels(root).Part.push({ note: SECRET });
    const { Part } = makeModels(await userWith({ parts: ['update'] }));

    const diagnoses = await doctor(Part);

    const told = diagnoses.flatMap(({ findings, notes }) => [...findings.map(({ text }) => text), ...notes]);
    const ofRights = told.filter((text) => /right|not authorized/.test(text));
    expect(ofRights.length).toBeGreaterThan(3);
    for (const text of ofRights) expect(text).toMatch(/the right `\w+` on `jobs\.parts`/);
    expect(told.join()).not.toContain(SECRET);
  });

  it('has change streams with `find` and `changeStream` on the database', async () => {
    await deploy();
    const watch = async (connection: Connection) => {
      const stream = (connection.db as mongo.Db).watch([]);
      try {
        return await stream.tryNext();
      } finally {
        await stream.close();
      }
    };

    const error: unknown = await watch(await userWith({ parts: WORK })).catch(explained);
    expect(String(error)).toContain('right `find` and `changeStream` on database `jobs`');
    await watch(await userWith({ parts: WORK, '': ['find', 'changeStream'] }));
  });
});
