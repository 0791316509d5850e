import mongoose, { createConnection, Schema, type Connection } from 'mongoose';
import { taskQueue, Worker } from 'mongoose-task-queue';
import { useDatabase } from './support/database';

const SOON_MS = 40;

describe('a connection that was never opened', () => {
  const database = useDatabase();
  const connections: Connection[] = [];
  afterEach(() => Promise.all(connections.splice(0).map((connection) => connection.destroy())));

  function makeJob(
    options: { bufferTimeoutMS?: number; bufferCommands?: boolean } = {},
    configure: (connection: Connection) => unknown = () => {},
  ) {
    const connection = createConnection();
    connections.push(connection);
    configure(connection);
    const other = { type: Schema.Types.ObjectId, ref: 'Job', dependsOn: 'DIRECT' as const };
    return connection.model(
      'Job',
      taskQueue(new Schema({ n: Number, other }, { ...options, autoIndex: false, autoCreate: false })),
    );
  }
  type Jobs = ReturnType<typeof makeJob>;

  const verbs: [string, (Job: Jobs) => Promise<unknown>][] = [
    ['push()', (Job) => Job.push({ n: 1 })],
    ['push() of many', (Job) => Job.push([{ n: 1 }, { n: 2 }])],
    ['push() of a document', (Job) => new Job({ n: 1 }).push()],
    ['push() of a stored document', (Job) => Job.hydrate({ _id: new Job()._id }).push()],
    ['pop()', (Job) => Job.pop()],
    ['popMany()', (Job) => Job.popMany(3)],
    ['isEmpty()', (Job) => Job.isEmpty()],
    ['stats()', (Job) => Job.stats()],
    ['blocked()', (Job) => Job.blocked()],
    ['blockedBy()', (Job) => Job.hydrate({ _id: new Job()._id, state: 'CREATED', other: new Job()._id }).blockedBy()],
    ['ensureTaskIndexes()', (Job) => Job.ensureTaskIndexes()],
    ['finish()', (Job) => Job.hydrate({ _id: new Job()._id, state: 'CREATED' }).finish()],
    ['fail()', (Job) => Job.hydrate({ _id: new Job()._id, state: 'CREATED' }).fail()],
    ['unschedule()', (Job) => Job.hydrate({ _id: new Job()._id, state: 'CREATED' }).unschedule()],
    ['start() of a worker', (Job) => new Worker(Job, { handler: () => {} }).start()],
    [
      'the look of a queue',
      (Job) =>
        new Promise((_, reject) => {
          const queue = Job.queue({ onError: (error) => void queue.return().then(() => reject(error as Error)) });
          void queue.next();
        }),
    ],
  ];

  it.each(verbs)('has %s fail after `bufferTimeoutMS`', async (_, call) => {
    const Job = makeJob({ bufferTimeoutMS: SOON_MS });

    await expect(call(Job)).rejects.toMatchObject({
      name: 'MongooseError',
      message: expect.stringMatching(/within 40 ms.*call `mongoose\.connect\(\)`/i) as unknown,
    });
  });

  it.each(verbs)('has %s fail at once with `bufferCommands: false`', async (_, call) => {
    const Job = makeJob({ bufferCommands: false });

    await expect(call(Job)).rejects.toMatchObject({
      name: 'MongooseError',
      message: expect.stringMatching(/bufferCommands.*call `mongoose\.connect\(\)`/i) as unknown,
    });
  });

  it.each<[string, () => Jobs]>([
    [
      'the connection',
      () =>
        makeJob({}, (connection) => {
          const options = { bufferTimeoutMS: SOON_MS, serverSelectionTimeoutMS: 1_000 };
          connection.openUri('mongodb://127.0.0.1:1/none', options).catch(() => {});
        }),
    ],
    [
      'Mongoose',
      () => {
        mongoose.set('bufferTimeoutMS', SOON_MS);
        return makeJob();
      },
    ],
  ])('does so by the setting of %s', async (_, make) => {
    await expect(make().pop()).rejects.toThrow('within 40 ms');
    mongoose.set('bufferTimeoutMS', undefined as never);
  });

  it('and is opened in time serves what waited for it', async () => {
    const Job = makeJob();
    const pushed = Job.push({ n: 1 });
    await Job.db.openUri(database.uri);

    expect((await pushed).n).toBe(1);
  });

  it('and cannot be opened fails by what is wrong', async () => {
    const Job = makeJob();
    const pushed = Job.push({ n: 1 });
    const opening = Job.db.openUri('mongodb://127.0.0.1:1/none', { serverSelectionTimeoutMS: 50 });

    await expect(opening).rejects.toThrow('ECONNREFUSED');
    await expect(pushed).rejects.toThrow('ECONNREFUSED');
  });
});
