import { Schema, type Connection } from 'mongoose';
import { LeaseLostError, State, taskQueue } from 'mongoose-task-queue';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { startProxy, type Proxy } from '../support/proxy';
import { endLease, stored } from '../support/raw';
import { seen } from '../support/seen';

describe('a write whose answer is lost', () => {
  const database = useDatabase();
  const makeEmail = (connection: Connection) =>
    connection.model('Email', taskQueue(new Schema({ to: String, size: Number, copies: [String] })));
  let proxy: Proxy;
  let connection: Connection;
  let Email: ReturnType<typeof makeEmail>;
  /** The same model on a connection that is not cut. */
  let Direct: ReturnType<typeof makeEmail>;

  beforeAll(async () => {
    proxy = await startProxy(database.uri);
    connection = await openConnection(proxy.uri);
    Email = makeEmail(connection);
    Direct = makeEmail(database.connection);
    await Email.init();
  });

  afterAll(async () => {
    await connection.destroy();
    await proxy.close();
  });

  beforeEach(async () => {
    await Direct.deleteMany({});
  });

  const popped = async () => {
    await Email.push({ to: 'ada@example.org' });
    return (await Email.pop())!;
  };

  it.each([
    ['finish', State.FINISHED],
    ['fail', State.FAILED],
    ['retry', State.CREATED],
    ['release', State.CREATED],
  ] as const)('of `%s()` is sent again and recognised', async (verb, state) => {
    const task = await popped();
    const lost = proxy.loseReplyTo('update');

    await task[verb]();

    await lost;
    expect(seen(task)).toMatchObject({ state, lease: null });
    expect((await stored(Direct, task._id))['state']).toBe(state);
  });

  it('of `fail()` by the producer is sent again and recognised', async () => {
    const email = await Email.push({ to: 'ada@example.org' });
    const lost = proxy.loseReplyTo('update');

    await email.fail('withdrawn');

    await lost;
    expect(email.state).toBe(State.FAILED);
    expect(email.failures).toMatchObject([{ message: 'withdrawn' }]);
    expect((await stored(Direct, email._id))['_task'].errors).toHaveLength(1);
  });

  it.each([
    ['finish', State.FINISHED],
    ['fail', State.FAILED],
    ['retry', State.CREATED],
    ['release', State.CREATED],
  ] as const)('of `%s()` with changes is sent again and recognised, and written once', async (verb, state) => {
    const task = await popped();
    task.size = 3;
    task.copies.push('bob');
    const lost = proxy.loseReplyTo('update');

    await task[verb]();

    await lost;
    expect(seen(task)).toMatchObject({ state, lease: null, size: 3 });
    expect(task.modifiedPaths()).toEqual([]);
    task.copies.push('cleo');
    await task.save();
    expect(await stored(Direct, task._id)).toMatchObject({ state, size: 3, copies: ['bob', 'cleo'], __v: 2 });
  });

  it('of `finish()` with changes in a session is recognised when the caller sends it again', async () => {
    const task = await popped();
    const session = await connection.startSession();
    task.size = 3;
    const lost = proxy.loseReplyTo('update');
    await expect(task.finish({ session })).rejects.toThrow();
    await lost;
    await session.endSession();

    await task.finish();

    expect(seen(task)).toMatchObject({ state: State.FINISHED, lease: null, size: 3 });
    expect(task.modifiedPaths()).toEqual([]);
    expect(await stored(Direct, task._id)).toMatchObject({ state: 'FINISHED', size: 3 });
  });

  it("of the producer's `finish()` with changes is recognised when the caller sends it again", async () => {
    const email = await Email.push({ to: 'ada@example.org' });
    email.size = 3;
    const lost = proxy.loseReplyTo('update');
    await expect(email.finish()).rejects.toThrow();
    await lost;

    await email.finish();

    expect(seen(email)).toMatchObject({ state: State.FINISHED, size: 3 });
    expect(email.modifiedPaths()).toEqual([]);
  });

  it('of `finish()` with an added element leaves one of it, also when the handle is saved later', async () => {
    const task = await popped();
    const session = await connection.startSession();
    task.copies.push('bob');
    const lost = proxy.loseReplyTo('update');
    await expect(task.finish({ session })).rejects.toThrow();
    await lost;
    await session.endSession();
    await task.finish();

    task.copies.push('cleo');
    await task.save();

    expect((await stored(Direct, task._id))['copies']).toEqual(['bob', 'cleo']);
  });

  it("of `retry()` is not taken for one's own after somebody else popped the task", async () => {
    const task = await popped();
    const session = await connection.startSession();
    task.size = 3;
    const lost = proxy.loseReplyTo('update');
    await expect(task.retry({ delayMs: 0, session })).rejects.toThrow();
    await lost;
    await session.endSession();
    const other = (await Direct.pop())!;

    await expect(task.retry({ delayMs: 0 })).rejects.toThrow(LeaseLostError);

    await other.finish();
  });

  it('of `renew()` is sent again', async () => {
    const task = await popped();
    await endLease(Direct, task._id);
    const lost = proxy.loseReplyTo('findAndModify');

    const { until } = await task.renew();

    await lost;
    expect(until.getTime()).toBeGreaterThan(Date.now() + 200_000);
  });

  it('of `pop()` gives the task that was claimed', async () => {
    await Email.push([{ to: 'first' }, { to: 'second' }]);
    const lost = proxy.loseReplyTo('findAndModify');

    const task = (await Email.pop())!;

    await lost;
    expect(seen(task)).toMatchObject({ to: 'first', attempts: 1, lease: { fence: 1 } });
    expect(await Direct.countDocuments({ state: State.RUNNING })).toBe(1);
    await task.finish();
  });

  it('of `popMany()` gives the tasks that were claimed', async () => {
    await Email.push([{ to: 'first' }, { to: 'second' }, { to: 'third' }]);
    const lost = proxy.loseReplyTo('update');

    const tasks = await Email.popMany(2);

    await lost;
    expect(tasks.map(({ to }) => to)).toEqual(['first', 'second']);
    expect(await Direct.countDocuments({ state: State.RUNNING })).toBe(2);
  });

  it('of a push again queues the task once', async () => {
    const email = await Email.push({ to: 'ada@example.org' });
    await email.finish();
    const lost = proxy.loseReplyTo('update');

    await email.push();

    await lost;
    expect(seen(email)).toMatchObject({ state: State.CREATED, attempts: 0 });
    expect(seen(await Email.pop())).toMatchObject({ id: email.id, attempts: 1 });
  });
});
