import { Schema } from 'mongoose';
import {
  constant,
  InvalidOptionError,
  LeaseLostError,
  State,
  TaskCancelledError,
  taskQueue,
  TaskStateError,
} from 'mongoose-task-queue';
import { useDatabase } from '../support/database';
import { endLease, nativeOf, rawUpdate, stored } from '../support/raw';

const reason = 'withdrawn';

describe('cancel() of a task', () => {
  const database = useDatabase('replicaSet');
  const make = () =>
    database.connection.model(
      'Order',
      taskQueue(new Schema({ note: String, source: { type: Schema.Types.ObjectId, ref: 'Order' } }), {
        dependencies: { source: 'DIRECT' },
        backoff: constant(0),
        maxAttempts: 3,
      }),
    );
  let Order: ReturnType<typeof make>;

  beforeAll(async () => {
    Order = make();
    await Order.ensureTaskIndexes();
  });
  beforeEach(() => nativeOf(Order).deleteMany({}));

  async function popped() {
    const task = await Order.pop();
    if (!task) throw new Error('Nothing is ready.');
    return task;
  }

  async function held() {
    await Order.push({ note: 'held' });
    return popped();
  }

  it('ends one that waits at once', async () => {
    const task = await Order.push({ note: 'new' });

    expect(await task.cancel({ reason })).toBe(task);

    expect(task.state).toBe(State.CANCELLED);
    expect(task.cancelled).toEqual({ reason, at: expect.any(Date) });
    expect(await Order.findById(task._id)).toMatchObject({ state: State.CANCELLED, cancelled: task.cancelled });
    expect(await Order.pop()).toBeNull();
  });

  it('ends one that is delayed, and one that is parked', async () => {
    const delayed = await Order.push({}, { delayMs: 60_000 });
    const parked = await Order.push({ source: delayed._id });

    await Promise.all([parked.cancel(), delayed.cancel()]);

    expect(await Order.countDocuments({ state: State.CANCELLED })).toBe(2);
    expect(parked.cancelled).toEqual({ reason: undefined, at: expect.any(Date) });
    expect((await stored(Order, parked._id))['_task']).not.toHaveProperty('waitingOn');
  });

  it('asks the holder of a running one, and cuts its lease', async () => {
    const task = await held();
    const other = (await Order.findById(task._id))!;

    await other.cancel({ reason });

    expect(other.state).toBe(State.RUNNING);
    expect(other.cancelled).toBeNull();
    expect(other.cancelRequested).toEqual({ reason, at: expect.any(Date), until: expect.any(Date) });
    const grace = other.cancelRequested!.until!.getTime() - other.cancelRequested!.at!.getTime();
    expect(grace).toBe(10_000);
  });

  it('keeps the first request', async () => {
    const task = await held();
    const other = (await Order.findById(task._id))!;
    await other.cancel({ reason });
    const { at, until } = other.cancelRequested!;

    await other.cancel({ reason: 'again' });

    expect(other.cancelRequested).toEqual({ reason, at, until });
  });

  it.each(['finish', 'fail'] as const)('counts a %s() that comes in time', async (verb) => {
    const task = await held();
    await (await Order.findById(task._id))!.cancel();

    await task[verb]();

    expect((await stored(Order, task._id))['state']).toBe(verb === 'finish' ? State.FINISHED : State.FAILED);
    expect(task.cancelled).toBeNull();
  });

  it.each(['retry', 'release'] as const)('makes a %s() its end', async (verb) => {
    const task = await held();
    await (await Order.findById(task._id))!.cancel({ reason });

    await task[verb]();

    expect(task.state).toBe(State.CANCELLED);
    expect(task.cancelled).toMatchObject({ reason });
    expect((await stored(Order, task._id))['state']).toBe(State.CANCELLED);
    expect(await Order.pop()).toBeNull();
  });

  it('makes a retry() of the last attempt its end, with the error', async () => {
    await (await held()).retry();
    await (await popped()).retry();
    const task = await popped();
    await (await Order.findById(task._id))!.cancel();

    await task.retry({ error: new Error('broken') });

    expect(task.state).toBe(State.CANCELLED);
    expect(task.failures).toMatchObject([{ message: 'broken' }]);
  });

  it('makes a snooze its end', async () => {
    const task = await held();
    await (await Order.findById(task._id))!.cancel();

    await task.release({ delayMs: 60_000 });

    expect(task.state).toBe(State.CANCELLED);
  });

  it('lets no lease be renewed', async () => {
    const task = await held();
    await (await Order.findById(task._id))!.cancel({ reason });
    const { availableAt } = (await stored(Order, task._id))['_task'];

    for (const renewed of [task.renew(), task.progress(1)]) await expect(renewed).rejects.toThrow(TaskCancelledError);
    await expect(task.renew()).rejects.toMatchObject({ name: 'TaskCancelledError', reason, until: availableAt });

    expect(task.lease!.until).toEqual(availableAt);
    expect(task.cancelRequested).toMatchObject({ reason, until: availableAt });
    expect((await stored(Order, task._id))['_task'].availableAt).toEqual(availableAt);
  });

  it('ends one whose lease is over, and refuses its late holder', async () => {
    const task = await held();
    await endLease(Order, task._id);

    await (await Order.findById(task._id))!.cancel();

    expect((await stored(Order, task._id))['state']).toBe(State.CANCELLED);
    await expect(task.finish()).rejects.toThrow(LeaseLostError);
  });

  it('is carried out by who takes the task over', async () => {
    const task = await held();
    await (await Order.findById(task._id))!.cancel({ reason });
    await endLease(Order, task._id);

    expect(await Order.pop()).toBeNull();

    expect(await Order.findById(task._id)).toMatchObject({
      state: State.CANCELLED,
      attempts: 1,
      cancelled: { reason },
    });
    await expect(task.finish()).rejects.toThrow(LeaseLostError);
  });

  it('is carried out although the task waits again for what it refers to', async () => {
    const source = await Order.push({});
    await (await popped()).finish();
    await Order.push({ source: source._id });
    const task = await popped();
    await (await Order.findById(task._id))!.cancel();
    await rawUpdate(Order, source._id, { $set: { state: State.PENDING } });
    await endLease(Order, task._id);

    expect(await Order.pop()).toBeNull();

    expect((await stored(Order, task._id))['state']).toBe(State.CANCELLED);
  });

  it('by its holder lets it go on', async () => {
    const task = await held();

    await task.cancel();
    expect(task.lease).not.toBeNull();
    await task.finish();

    expect((await stored(Order, task._id))['state']).toBe(State.FINISHED);
  });

  it('is void once the task was settled and put back', async () => {
    const task = await held();
    await (await Order.findById(task._id))!.cancel();
    await task.finish();
    await rawUpdate(Order, task._id, { $set: { state: State.CREATED } });

    const again = await popped();
    expect(again._id).toEqual(task._id);
    expect(again.cancelRequested).toBeNull();
    expect((await stored(Order, task._id))['_task']).not.toHaveProperty('cancel');
    await again.retry();
    expect((await stored(Order, task._id))['state']).toBe(State.CREATED);
  });

  it('is forgotten by a push, which gives the task a new token', async () => {
    const task = await Order.push({});
    await task.cancel();
    const { token } = (await stored(Order, task._id))['_task'];

    await task.push();

    const { _task: after, state } = await stored(Order, task._id);
    expect(state).toBe(State.CREATED);
    expect(after).not.toHaveProperty('cancel');
    expect(String(after.token)).not.toBe(String(token));
    expect(await popped()).toMatchObject({ _id: task._id, attempts: 1 });
  });

  it('may be repeated', async () => {
    const task = await Order.push({});
    await task.cancel({ reason });

    const other = (await Order.findById(task._id))!;
    await rawUpdate(Order, task._id, { $set: { note: 'later' } });
    await other.cancel({ reason: 'again' });

    expect(other.cancelled).toMatchObject({ reason });
  });

  it('is refused for one that is settled, was never pushed or is gone', async () => {
    const finished = await held();
    await finished.finish();
    const failed = await held();
    await failed.fail();
    const pending = await Order.create({});
    const gone = await Order.push({});
    await Order.deleteOne({ _id: gone._id });

    for (const task of [finished, failed, pending, gone, new Order()])
      await expect(task.cancel()).rejects.toThrow(TaskStateError);
    await expect(new Order().cancel()).rejects.toThrow('it was never stored');
    await expect(gone.cancel()).rejects.toThrow('it was deleted');
    await expect(finished.cancel()).rejects.toThrow('it is FINISHED');
  });

  it('refuses wrong options', async () => {
    const task = await Order.push({});

    for (const wrong of ['', 5, 'x'.repeat(1_001)])
      await expect(task.cancel({ reason: wrong as never })).rejects.toThrow(InvalidOptionError);
    await expect(task.cancel({ why: 'x' } as never)).rejects.toThrow(InvalidOptionError);
    expect((await stored(Order, task._id))['state']).toBe(State.CREATED);
  });

  it('takes a reason as data', async () => {
    const task = await Order.push({});

    await task.cancel({ reason: '$_task.token' });

    expect((await Order.findById(task._id))!.cancelled).toMatchObject({ reason: '$_task.token' });
  });

  it('joins a transaction', async () => {
    const [kept, ended] = [await Order.push({}), await Order.push({})];
    await database.connection
      .transaction(async (session) => {
        await kept.cancel({ session });
        throw new Error('undo');
      })
      .catch(() => {});
    await database.connection.transaction(async (session) => {
      await ended.cancel({ session });
    });

    expect(kept.state).toBe(State.CREATED);
    expect((await stored(Order, kept._id))['state']).toBe(State.CREATED);
    expect((await stored(Order, ended._id))['state']).toBe(State.CANCELLED);
  });
});

describe('cancel() of a recurring task', () => {
  const database = useDatabase();
  const make = () => database.connection.model('Report', taskQueue(new Schema({}), { maxAttempts: 1 }));
  let Report: ReturnType<typeof make>;

  beforeAll(async () => {
    Report = make();
    await Report.ensureTaskIndexes();
  });
  beforeEach(() => nativeOf(Report).deleteMany({}));

  it('ends its recurrence', async () => {
    const task = await Report.push({}, { every: 60_000, key: 'nightly' });

    await task.cancel();

    const { _task: after } = await stored(Report, task._id);
    expect(after).not.toHaveProperty('schedule');
    expect(after.expiresFrom).toEqual(after.settledAt);
  });

  it.each(['finish', 'fail'] as const)('lets a run be the last by %s()', async (verb) => {
    await Report.push({}, { every: 60_000, key: 'nightly' });
    await rawUpdate(Report, (await Report.findOne())!._id, { $set: { '_task.availableAt': new Date(0) } });
    const task = (await Report.pop())!;
    await (await Report.findById(task._id))!.cancel();

    await task[verb]();

    expect((await stored(Report, task._id))['state']).toBe(verb === 'finish' ? State.FINISHED : State.FAILED);
  });

  it('makes the retry of a run its end', async () => {
    await Report.push({}, { every: 60_000, key: 'nightly' });
    await rawUpdate(Report, (await Report.findOne())!._id, { $set: { '_task.availableAt': new Date(0) } });
    const task = (await Report.pop())!;
    await (await Report.findById(task._id))!.cancel();

    await task.retry();

    expect((await stored(Report, task._id))['state']).toBe(State.CANCELLED);
  });
});
