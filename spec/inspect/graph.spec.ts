import { Schema, type Types } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { graphOf } from '../../lib/inspect/graph';
import { View } from '../../lib/inspect/view';
import { useDatabase } from '../support/database';
import { rawUpdate } from '../support/raw';

describe('the graph of a task', () => {
  const database = useDatabase();
  const make = () => {
    const { connection } = database;
    const Order = connection.model('Order', new Schema({ status: String }));
    const Step = connection.model(
      'Step',
      taskQueue(
        new Schema({
          name: String,
          before: { type: Schema.Types.ObjectId, ref: 'Step', dependsOn: 'DIRECT' },
          parts: { type: [{ type: Schema.Types.ObjectId, ref: 'Step' }], dependsOn: 'ALL_OF', index: true },
          order: {
            type: Schema.Types.ObjectId,
            ref: 'Order',
            dependsOn: { type: 'DIRECT', when: { status: 'paid' } },
          },
        } as Record<string, object>),
      ),
    );
    return { Order, Step };
  };
  let models: ReturnType<typeof make>;
  let view: View;

  beforeAll(async () => {
    models = make();
    await models.Step.init();
    await models.Step.ensureTaskIndexes();
    view = new View({ models: [models.Step] });
  });

  const push = (fields: object) =>
    models.Step.push(fields) as unknown as Promise<{ _id: Types.ObjectId; state: string }>;
  const graph = (id: unknown) => graphOf(view, models.Step as never, id);
  const keyOf = ({ _id }: { _id: Types.ObjectId }, model = 'Step') => `${model}:{"$oid":"${String(_id)}"}`;

  it('goes both ways, and says of each edge whether it holds and why', async () => {
    const order = await models.Order.create({ status: 'new' });
    const done = await push({ name: 'done' });
    await (await models.Step.pop())!.finish();
    const first = await push({ name: 'first', order: order._id });
    const middle = await push({ name: 'middle', before: first._id, parts: [done._id] });
    const last = await push({ name: 'last', before: middle._id });
    const other = await push({ name: 'other', parts: [middle._id, done._id] });

    const { nodes, edges, cycle, cut } = await graph(middle._id);

    expect(new Set(nodes.map(({ key }) => key))).toEqual(
      new Set([keyOf(middle), keyOf(first), keyOf(done), keyOf(last), keyOf(other), keyOf(order as never, 'Order')]),
    );
    const edge = (from: object, to: object, model?: string) =>
      edges.find((one) => one.from === keyOf(from as never) && one.to === keyOf(to as never, model));
    expect(edge(middle, first)).toMatchObject({ path: 'before', type: 'DIRECT', holds: true, reason: 'not done yet' });
    expect(edge(middle, done)).toMatchObject({ path: 'parts', type: 'ALL_OF', holds: false, reason: 'done' });
    expect(edge(first, order, 'Order')).toMatchObject({ path: 'order', holds: true });
    expect(edge(last, middle)).toMatchObject({ holds: true });
    expect(edge(other, middle)).toMatchObject({ type: 'ALL_OF', holds: true });
    // Of a model that is not shown here nothing but the id is told.
    expect(nodes.find(({ model }) => model === 'Order')).toMatchObject({ task: false, exists: true, state: null });
    expect({ cycle, cut }).toEqual({ cycle: null, cut: false });
  });

  it('shows a document that does not exist, and a failure that failed the task', async () => {
    const gone = await push({ name: 'gone' });
    const waits = await push({ name: 'waits', before: gone._id });
    await models.Step.deleteOne({ _id: gone._id });

    const { nodes, edges } = await graph(waits._id);

    expect(nodes.find(({ key }) => key === keyOf(gone))).toMatchObject({ exists: false, state: null });
    expect(edges).toMatchObject([{ holds: true, reason: 'does not exist: waited for all the same' }]);
  });

  it('names the circle', async () => {
    const one = await push({ name: 'one' });
    const two = await push({ name: 'two', before: one._id });
    const three = await push({ name: 'three', before: two._id });
    await rawUpdate(models.Step, one._id, { $set: { before: three._id } });

    const { cycle } = await graph(two._id);

    expect(new Set(cycle)).toEqual(new Set([keyOf(one), keyOf(two), keyOf(three)]));
  });

  it('is cut where it is too large', async () => {
    const hub = await push({ name: 'hub' });
    await models.Step.push(Array.from({ length: 260 }, (_, n) => ({ name: `n${n}`, before: hub._id })) as never);

    const { nodes, cut } = await graph(hub._id);

    expect(nodes).toHaveLength(200);
    expect(cut).toBe(true);
  });
});
