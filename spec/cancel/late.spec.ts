import { type mongo, mongo as driver, Schema } from 'mongoose';
import { State, taskQueue } from 'mongoose-task-queue';
import { useDatabase } from '../support/database';
import { beforeNext } from '../support/interleave';
import { nativeOf, stored } from '../support/raw';

describe('a cancel that comes too late', () => {
  const database = useDatabase();
  const make = () => database.connection.model('Order', taskQueue(new Schema({ number: Number })));
  let Order: ReturnType<typeof make>;

  beforeAll(async () => {
    Order = make();
    await Order.ensureTaskIndexes();
  });
  beforeEach(() => nativeOf(Order).deleteMany({}));
  afterEach(() => jest.restoreAllMocks());

  it('does not cancel what has been pushed anew since its answer was lost', async () => {
    const task = await Order.push({ number: 1 });
    const native = nativeOf(Order);
    const send = native.findOneAndUpdate.bind(native) as (...all: unknown[]) => Promise<mongo.Document | null>;
    const sent: unknown[][] = [];
    jest.spyOn(native, 'findOneAndUpdate').mockImplementationOnce((async (...all: unknown[]) => {
      sent.push(all);
      await task.finish();
      await task.push();
      throw new driver.MongoNetworkError('The connection broke.');
    }) as never);

    const cancel = (await Order.findById(task._id))!.cancel();

    await expect(cancel).rejects.toThrow('The connection broke.');
    expect((await stored(Order, task._id)).state).toBe(State.CREATED);
    // The server may have got it all the same.
    expect(await send(...sent[0]!)).toBeNull();
    expect((await stored(Order, task._id)).state).toBe(State.CREATED);
  });

  it('does not cancel one of many that was pushed anew, and is not meant any more', async () => {
    const task = await Order.push({ number: 1 });
    const anew = async () => {
      await task.finish();
      task.number = 2;
      await task.push();
    };
    const write = beforeNext(Order, 'bulkWrite', anew);

    expect(await Order.cancel({ number: 1 })).toEqual({ cancelled: 0, cancelling: 0 });

    expect(write.happened).toBe(true);
    expect((await stored(Order, task._id)).state).toBe(State.CREATED);
  });

  it('gives no schedule to a task that a push has seen before it was to be cancelled', async () => {
    const key = 'nightly';
    await Order.push({ number: 1 }, { key });
    const held = (await Order.pop())!;
    const cancel = async () => void (await (await Order.findById(held._id))!.cancel());
    const reschedule = beforeNext(Order, 'updateOne', cancel, (filter) => '$nor' in filter);

    const pushed = await Order.push({ number: 2 }, { key, every: 60_000 });

    expect(reschedule.happened).toBe(true);
    expect(pushed.pushOutcome).toBe('behind');
    expect((await stored(Order, held._id))['_task']).not.toHaveProperty('schedule');
    await held.retry({ delayMs: 0 });
    expect((await stored(Order, held._id)).state).toBe(State.CANCELLED);
  });
});
