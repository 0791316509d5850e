import { Schema } from 'mongoose';
import { cancel, InvalidOptionError, push, State, taskQueue } from 'mongoose-task-queue';
import { useDatabase } from '../support/database';
import { nativeOf, stored } from '../support/raw';

describe('cancel() of many tasks', () => {
  const database = useDatabase('replicaSet');
  const make = () => database.connection.model('Order', taskQueue(new Schema({ to: String, n: Number })));
  let Order: ReturnType<typeof make>;

  beforeAll(async () => {
    Order = make();
    await Order.ensureTaskIndexes();
  });
  beforeEach(() => nativeOf(Order).deleteMany({}));

  const states = async () => (await Order.find().sort({ n: 1 })).map(({ state }) => state);

  it('ends those that wait, and asks the holders of the others', async () => {
    await Order.push([{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }]);
    await Order.popMany(2);
    const finished = (await Order.pop())!;
    await finished.finish();

    expect(await Order.cancel({}, { reason: 'stop' })).toEqual({ cancelled: 1, cancelling: 2 });

    expect(await states()).toEqual([State.RUNNING, State.RUNNING, State.FINISHED, State.CANCELLED]);
    expect(await Order.cancel({})).toEqual({ cancelled: 0, cancelling: 2 });
    expect((await Order.findOne({ n: 4 }))!.cancelled).toMatchObject({ reason: 'stop' });
  });

  it('concerns those alone that match', async () => {
    await Order.push([{ to: 'ada' }, { to: 'bob' }]);

    expect(await Order.cancel({ to: 'ada' })).toEqual({ cancelled: 1, cancelling: 0 });
    expect((await Order.findOne({ to: 'bob' }))!.state).toBe(State.CREATED);
  });

  it('takes as many as its limit says, and goes on there', async () => {
    await Order.push([{ n: 1 }, { n: 2 }, { n: 3 }]);
    await Order.popMany(3);

    expect(await Order.cancel({}, { limit: 2 })).toEqual({ cancelled: 0, cancelling: 2 });
    expect(await Order.cancel({}, { limit: 2 })).toEqual({ cancelled: 0, cancelling: 1 });
    expect(await Order.cancel({}, { limit: 2 })).toEqual({ cancelled: 0, cancelling: 0 });
  });

  it('goes through thousands', async () => {
    await Order.push(Array.from({ length: 1_234 }, (_, n) => ({ n })));

    expect(await cancel(Order, {})).toEqual({ cancelled: 1_234, cancelling: 0 });
    expect(await Order.countDocuments({ state: State.CANCELLED })).toBe(1_234);
  });

  it('waits last for a task that an open transaction has written', async () => {
    await Order.push([{ n: 1 }, { n: 2 }, { n: 3 }]);
    const session = await database.connection.startSession();
    session.startTransaction();
    const [locked] = await Order.find({ n: 1 }).session(session);
    locked!.to = 'locked';
    await locked!.save({ session });

    const cancelling = Order.cancel({});
    while ((await Order.countDocuments({ state: State.CANCELLED })) < 2) await new Promise(setImmediate);
    await session.commitTransaction();
    await session.endSession();

    expect(await cancelling).toEqual({ cancelled: 3, cancelling: 0 });
  });

  it('is refused with a filter or options that mean something else', async () => {
    await Order.push({});

    for (const wrong of [{ too: 'ada' }, { to: undefined }, null])
      await expect(Order.cancel(wrong as never)).rejects.toThrow(InvalidOptionError);
    await expect(Order.cancel(null as never)).rejects.toThrow('`cancel(');
    for (const wrong of [{ limit: 0 }, { reason: '' }, { session: null }])
      await expect(Order.cancel({}, wrong as never)).rejects.toThrow(InvalidOptionError);
    expect(await states()).toEqual([State.CREATED]);
  });

  it('can be undone by requeue()', async () => {
    const task = await Order.push({}, { key: 'one' });
    await Order.cancel({});

    expect(await Order.requeue({})).toEqual({ requeued: 1, skipped: 0 });

    const { state, _task: after } = await stored(Order, task._id);
    expect(state).toBe(State.CREATED);
    expect(after).not.toHaveProperty('cancel');
    expect(after.key).toBe('one');
  });
});

describe('cancel() of a kind', () => {
  const database = useDatabase();

  it('leaves the tasks of other kinds alone, under other names and without statics', async () => {
    const base = new Schema({}, { discriminatorKey: 'kind' });
    taskQueue(base, { bind: false, fields: { state: 'phase' } });
    const Base = database.connection.model('Base', base);
    const Mail = Base.discriminator('Mail', new Schema({ to: String }));
    const Parcel = Base.discriminator('Parcel', new Schema({}));
    const mail = await push(Mail as never, {} as never);
    const parcel = await push(Parcel as never, {} as never);

    expect(await cancel(Mail as never, {})).toEqual({ cancelled: 1, cancelling: 0 });

    expect((await stored(Base, (mail as unknown as { _id: unknown })._id))['phase']).toBe(State.CANCELLED);
    expect((await stored(Base, (parcel as unknown as { _id: unknown })._id))['phase']).toBe(State.CREATED);
  });
});
