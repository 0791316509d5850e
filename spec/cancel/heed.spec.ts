import { Schema } from 'mongoose';
import { constant, State, TaskCancelledError, taskQueue, UnrecoverableError } from 'mongoose-task-queue';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { nativeOf, stored } from '../support/raw';
import { heldHandler, makeWorker, nextEvent, recordEvents, startWorker } from '../support/worker';

const reason = 'withdrawn';

describe('who holds a task that is to be cancelled', () => {
  const database = useDatabase();
  const make = (name: string, cancelGraceMs: number) =>
    database.connection.model(name, taskQueue(new Schema({ note: String }), { backoff: constant(0), cancelGraceMs }));
  let Order: ReturnType<typeof make>;
  let Hasty: ReturnType<typeof make>;

  beforeAll(async () => {
    [Order, Hasty] = [make('Order', 60_000), make('Hasty', 0)];
    await Promise.all([Order.ensureTaskIndexes(), Hasty.ensureTaskIndexes()]);
  });
  beforeEach(() => Promise.all([nativeOf(Order).deleteMany({}), nativeOf(Hasty).deleteMany({})]));

  const cancel = async (Model: typeof Order, _id: unknown) => (await Model.findById(_id))!.cancel({ reason });
  const stateOf = async (Model: typeof Order, _id: unknown) => (await stored(Model, _id))['state'] as string;
  const aborted = (signal: AbortSignal) =>
    eventually(() => {
      if (!signal.aborted) throw new Error('The signal is not aborted.');
      return signal.reason as unknown;
    });

  it('is told by the signal, and may finish it', async () => {
    const { handler, call } = heldHandler<InstanceType<typeof Order>>();
    const worker = await startWorker(Order, { handler });
    await Order.push({});
    const { task, signal, end } = await call(1);

    await cancel(Order, task._id);
    expect(await aborted(signal)).toMatchObject({ name: 'TaskCancelledError', reason, until: expect.any(Date) });
    expect(task.cancelRequested).toMatchObject({ reason });
    const finished = nextEvent(worker, 'finished');
    end.resolve();
    await finished;

    expect(await stateOf(Order, task._id)).toBe(State.FINISHED);
  });

  it.each([
    ['an error', () => new Error('stopped')],
    ['an UnrecoverableError', () => new UnrecoverableError('stopped')],
  ])('ends it by throwing %s, whatever attempts are left', async (_, error) => {
    const { handler, call } = heldHandler<InstanceType<typeof Order>>();
    const worker = makeWorker(Order, { handler });
    const events = recordEvents(worker);
    await worker.start();
    await Order.push({});
    const { task, signal, end } = await call(1);
    await cancel(Order, task._id);
    await aborted(signal);

    const cancelled = nextEvent(worker, 'cancelled');
    end.reject(error());
    const [, told] = await cancelled;

    expect(told).toBeInstanceOf(TaskCancelledError);
    expect(events.map(([name]) => name)).toEqual(['started', 'cancelled']);
    expect(await Order.findById(task._id)).toMatchObject({
      state: State.CANCELLED,
      failures: [{ message: 'stopped' }],
    });
  });

  it('ends it by a throw although it has not heard of it yet', async () => {
    const { handler, call } = heldHandler<InstanceType<typeof Order>>();
    const worker = await startWorker(Order, { handler });
    await Order.push({});
    const { task, end } = await call(1);
    await nativeOf(Order).updateOne({ _id: task._id }, [{ $set: { '_task.cancel': { reason, at: '$$NOW' } } }]);

    const cancelled = nextEvent(worker, 'cancelled');
    end.reject(new Error('stopped'));

    expect(await cancelled).toMatchObject([{ _id: task._id }, { reason }]);
    expect(await stateOf(Order, task._id)).toBe(State.CANCELLED);
  });

  it('loses it when the time is over, and its worker ends it', async () => {
    const { handler, call } = heldHandler<InstanceType<typeof Hasty>>();
    const worker = await startWorker(Hasty, { handler });
    await Hasty.push({});
    const { task, end } = await call(1);

    const cancelled = nextEvent(worker, 'cancelled');
    await cancel(Hasty, task._id);
    await cancelled;

    expect(await stateOf(Hasty, task._id)).toBe(State.CANCELLED);
    end.resolve();
  });

  it('gives it back unbegun, and so ends it', async () => {
    const { handler, call, calls } = heldHandler<InstanceType<typeof Order>>();
    const worker = makeWorker(Order, { handler, prefetch: 5 });
    await worker.start();
    await Order.push([{}, {}, {}]);
    const first = await call(1);
    const all = (await Order.find({})).map(({ _id }) => _id);

    expect(await Order.cancel({}, { reason })).toMatchObject({});
    await aborted(first.signal);
    first.end.reject(new Error('stopped'));

    await eventually(async () => {
      for (const id of all) expect(await stateOf(Order, id)).toBe(State.CANCELLED);
    });
    expect(calls.length).toBe(1);
  });

  it('is told by the renewal of its lease, if nothing else tells', async () => {
    const Short = database.connection.model(
      'Short',
      taskQueue(new Schema({}), { leaseMs: 900, cancelGraceMs: 60_000 }),
    );
    const { handler, call } = heldHandler<InstanceType<typeof Short>>();
    await startWorker(Short, { handler });
    await Short.push({});
    const { task, signal, end } = await call(1);
    await nativeOf(Short).updateOne({ _id: task._id }, [{ $set: { '_task.cancel': { reason, at: '$$NOW' } } }]);

    expect(await aborted(signal)).toMatchObject({ reason });
    end.resolve();
  });

  it('is told by onError of a queue, once', async () => {
    const told: unknown[] = [];
    await Order.push({});
    for await (const task of Order.queue({ onError: (error) => told.push(error) })) {
      await cancel(Order, task._id);
      await eventually(() => expect(told).toHaveLength(1));
      expect(task.cancelRequested).toMatchObject({ reason });
      await task.retry();
      break;
    }

    expect(told).toMatchObject([{ name: 'TaskCancelledError', reason }]);
    expect(await Order.findOne()).toMatchObject({ state: State.CANCELLED });
  });

  it('is told of a task that it took over', async () => {
    await Order.push({});
    const task = (await Order.pop())!;
    await cancel(Order, task._id);
    await nativeOf(Order).updateOne({}, { $set: { '_task.availableAt': new Date(0) } });
    const worker = makeWorker(Order, { handler: () => {} });
    const cancelled = nextEvent(worker, 'cancelled');
    await worker.start();

    expect(await cancelled).toMatchObject([{ _id: task._id, cancelled: { reason } }, { reason }]);
  });
});
