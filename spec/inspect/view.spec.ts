import { Schema, type Types } from 'mongoose';
import { InvalidOptionError, taskQueue } from 'mongoose-task-queue';
import { act } from '../../lib/inspect/act';
import { detailsOf } from '../../lib/inspect/details';
import { graphOf } from '../../lib/inspect/graph';
import { idText } from '../../lib/inspect/ids';
import { listTasks } from '../../lib/inspect/list';
import { View } from '../../lib/inspect/view';
import { useDatabase } from '../support/database';
import { nativeOf, rawUpdate } from '../support/raw';

describe('a hidden path', () => {
  const database = useDatabase();
  const make = () => {
    const { connection } = database;
    const Order = connection.model('Order', taskQueue(new Schema({ note: String })));
    const schema = new Schema({
      to: String,
      items: [{ name: String, price: Number }],
      order: { type: Schema.Types.ObjectId, ref: 'Order', dependsOn: 'DIRECT', index: true },
    } as Record<string, object>);
    const fields = { category: 'tenant', createdAt: 'born', priority: 'rank' };
    return { Order, Parcel: connection.model('Parcel', taskQueue(schema, { category: true, fields })) };
  };
  let models: ReturnType<typeof make>;

  beforeAll(async () => {
    models = make();
    await Promise.all([models.Parcel.init(), models.Order.ensureTaskIndexes(), models.Parcel.ensureTaskIndexes()]);
  });
  beforeEach(() => nativeOf(models.Parcel).deleteMany({}));

  const viewOf = (...hide: string[]) =>
    new View({ models: [models.Parcel, models.Order], hide: { Parcel: hide }, format: { Parcel: { to: String } } });
  const push = (fields: object) => models.Parcel.push(fields as never) as unknown as Promise<{ _id: Types.ObjectId }>;

  it.each(['items.0.price:5', '{"items.0.price":{"$gt":1}}', '{"items":{"$elemMatch":{"0.price":5}}}'])(
    'is not searched by the place in a list: %s',
    async (q) => {
      await push({ items: [{ name: 'pen', price: 5 }] });

      await expect(listTasks(viewOf('items.price'), models.Parcel as never, { q })).rejects.toThrow('hidden');
      await expect(listTasks(viewOf('items.0.price'), models.Parcel as never, { q })).rejects.toThrow('hidden');
    },
  );

  it('is hidden also where it is a field of the queue under another name', async () => {
    const task = await push({ to: 'ada', tenant: 'acme', rank: 7 });
    // Else it may be the very millisecond in which the task is due.
    await rawUpdate(models.Parcel, task._id, { $set: { born: new Date(0) } });
    const view = viewOf('tenant', 'born', 'rank');
    const seen = [
      await listTasks(view, models.Parcel as never, {}),
      await detailsOf(view, models.Parcel as never, task._id),
    ];

    expect(JSON.stringify(seen)).not.toContain('acme');
    expect(JSON.stringify(seen)).not.toContain(new Date(0).toISOString());
    expect(JSON.stringify(seen)).not.toContain('"priority":7');
    const edit = { action: 'edit', ids: [idText(task._id)], set: { rank: 9 } } as const;
    await expect(act(view, models.Parcel as never, edit)).rejects.toThrow(InvalidOptionError);
  });

  it('is not told by what a task waits for', async () => {
    const order = (await models.Order.push({})) as unknown as { _id: Types.ObjectId };
    const task = await push({ order: order._id });
    await models.Parcel.pop();
    const view = viewOf('order');
    const seen = [
      await detailsOf(view, models.Parcel as never, task._id),
      await graphOf(view, models.Parcel as never, task._id),
    ];

    expect(JSON.stringify(seen)).not.toContain(String(order._id));
    expect(JSON.stringify(await graphOf(view, models.Order as never, order._id))).not.toContain(String(task._id));
    expect((seen[0] as { blockedBy: unknown }).blockedBy).toMatchObject([{ text: 'Waits by a hidden path', id: null }]);
    expect(JSON.stringify(await graphOf(viewOf(), models.Order as never, order._id))).toContain(String(task._id));
  });

  it('leaves a field alone whose name every object has', async () => {
    const { _id } = await push({ to: 'ada' });
    await nativeOf(models.Parcel).updateOne({ _id }, { $set: { toString: 'a', constructor: 'b' } });

    expect((await detailsOf(viewOf(), models.Parcel as never, _id)).fields).toMatchObject({
      toString: 'a',
      constructor: 'b',
    });
  });
});
