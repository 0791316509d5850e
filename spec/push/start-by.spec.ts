import { type Connection, createConnection, Schema } from 'mongoose';
import { constant, InvalidOptionError, State, taskQueue } from 'mongoose-task-queue';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { nativeOf, rawUpdate, stored } from '../support/raw';
import { heldHandler, startWorker } from '../support/worker';

const reason = 'not started in time';
const past = { $set: { '_task.startBy': new Date(1) } };

describe('a task that must be started in time', () => {
  const database = useDatabase();
  const make = (name: string, connection = database.connection) =>
    connection.model(
      name,
      taskQueue(new Schema({ source: { type: Schema.Types.ObjectId, ref: name } }), {
        dependencies: { source: { type: 'DIRECT', onFailed: 'fail' } },
        backoff: constant(0),
      }),
    );
  let Alert: ReturnType<typeof make>;

  beforeAll(async () => {
    Alert = make('Alert');
    await Alert.ensureTaskIndexes();
  });
  beforeEach(() => nativeOf(Alert).deleteMany({}));

  it('is started until then', async () => {
    await Alert.push({}, { startWithinMs: 60_000 });

    const task = (await Alert.pop())!;
    await task.finish();

    const { startBy, dueAt } = (await stored(Alert, task._id))['_task'];
    expect(startBy.getTime() - dueAt.getTime()).toBe(60_000);
  });

  it('is cancelled by a claim that comes later', async () => {
    const task = await Alert.push({}, { startBy: new Date(Date.now() + 60_000) });
    await rawUpdate(Alert, task._id, past);

    expect(await Alert.pop()).toBeNull();

    expect(await Alert.findById(task._id)).toMatchObject({
      state: State.CANCELLED,
      attempts: 0,
      cancelled: { reason },
    });
  });

  it('may be retried and released later', async () => {
    const { _id } = await Alert.push({}, { startWithinMs: 60_000 });
    await (await Alert.pop())!.retry();
    await rawUpdate(Alert, _id, past);
    await (await Alert.pop())!.release();
    expect(await Alert.pop()).toMatchObject({ _id });
  });

  it('may be snoozed after its first start', async () => {
    const { _id } = await Alert.push({}, { startWithinMs: 60_000 });
    const task = (await Alert.pop())!;
    await rawUpdate(Alert, _id, past);
    await task.release({ delayMs: 1 });

    expect(await eventually(async () => (await Alert.pop())!._id)).toEqual(_id);
  });

  it('is cancelled by its pusher, though nobody claims', async () => {
    const source = await Alert.create({});
    const parked = await Alert.push({ source: source._id }, { startWithinMs: 50 });
    const dependent = await Alert.push({ source: parked._id });

    await eventually(async () => expect(await Alert.findById(parked._id)).toMatchObject({ cancelled: { reason } }));
    expect(await Alert.pop()).toBeNull();
    expect(await Alert.findById(dependent._id)).toMatchObject({
      state: State.FAILED,
      failures: [{ message: expect.stringContaining(`was cancelled: Alert ${String(parked._id)}: ${reason}`) }],
    });
  });

  it('is cancelled by who works the queue, though it is delayed', async () => {
    const { handler } = heldHandler<InstanceType<typeof Alert>>();
    await startWorker(Alert, { handler });
    const task = await Alert.push({}, { delayMs: 3_600_000, startWithinMs: 60_000 });
    await rawUpdate(Alert, task._id, past);

    await eventually(async () => expect(await Alert.findById(task._id)).toMatchObject({ cancelled: { reason } }));
  });

  it('starts its time anew by a push', async () => {
    const task = await Alert.push({}, { startWithinMs: 60_000 });
    await rawUpdate(Alert, task._id, past);
    expect(await Alert.pop()).toBeNull();

    await (await Alert.findById(task._id))!.push();

    expect(await Alert.pop()).toMatchObject({ _id: task._id });
    expect((await stored(Alert, task._id))['_task']).not.toHaveProperty('startBy');
  });

  it('has an index from its first push on, and not before', async () => {
    const Rare = make('Rare');
    await Rare.push({});
    await Rare.ensureTaskIndexes();
    const names = async () => (await nativeOf(Rare).indexes()).map(({ name }) => name as string);
    expect(await names()).not.toContain('task_startBy');

    await Rare.push([{}, {}], { startWithinMs: 60_000 });

    expect(await names()).toContain('task_startBy');
    await Rare.syncIndexes();
    expect(await names()).toContain('task_startBy');
  });

  it('has its index made in a deploy step, once any program has used it', async () => {
    await Alert.push({}, { startWithinMs: 60_000 });
    await nativeOf(Alert).dropIndex('task_startBy');
    const other = await createConnection(database.uri).asPromise();
    try {
      const Deployed = make('Alert', other);
      await Deployed.ensureTaskIndexes();
      await Deployed.syncIndexes();
    } finally {
      await other.destroy();
    }

    const names = (await nativeOf(Alert).listIndexes().toArray()).map(({ name }) => name as string);
    expect(names).toContain('task_startBy');
  });

  it('is refused with a time that cannot be kept', async () => {
    const startBy = new Date(Date.now() + 60_000);
    for (const wrong of [
      { startBy: new Date(1) },
      { startBy, delayMs: 3_600_000 },
      { startBy, startWithinMs: 1 },
      { startWithinMs: -1 },
      { startBy: 'now' },
      { startBy, every: 1_000, key: 'k' },
      { startWithinMs: 5, cron: '* * * * *', key: 'k' },
    ])
      await expect(Alert.push({}, wrong as never)).rejects.toThrow(InvalidOptionError);
    expect(await Alert.countDocuments()).toBe(0);
  });
});

describe('a push with `startBy` in a transaction', () => {
  const database = useDatabase('replicaSet');

  it('is ended in time by who works the queue, though its program ends with the commit', async () => {
    const make = (connection: Connection) => connection.model('Alert', taskQueue(new Schema({})));
    const [pusher, other] = await Promise.all([1, 2].map(() => createConnection(database.uri).asPromise()));
    let worker: Awaited<ReturnType<typeof startWorker>> | null = null;
    try {
      const Pushed = make(pusher!);
      const Worked = make(other!);
      await Pushed.ensureTaskIndexes();
      worker = await startWorker(Worked, { handler: () => undefined });
      // What a program does after the commit, another may have to do.
      jest.spyOn(nativeOf(Pushed), 'createIndexes').mockRejectedValue(new Error('It has ended.'));

      const id = await pusher!.transaction(async (session) => {
        const task = await Pushed.push({}, { delayMs: 3_600_000, startWithinMs: 60_000, session });
        return task._id;
      });
      await rawUpdate(Worked, id, past);

      await eventually(async () => expect(await Worked.findById(id)).toMatchObject({ cancelled: { reason } }));
    } finally {
      await worker?.stop({ timeoutMs: 0 });
      await Promise.all([pusher, other].map((connection) => connection!.destroy()));
    }
  });
});
