import { Schema, Types } from 'mongoose';
import { InvalidOptionError, State, taskQueue } from 'mongoose-task-queue';
import { listTasks } from '../../lib/inspect/list';
import { View } from '../../lib/inspect/view';
import { useDatabase } from '../support/database';
import { nativeOf, rawUpdate } from '../support/raw';

describe('the list of tasks', () => {
  const database = useDatabase();
  const make = () => {
    const schema = new Schema({
      to: { type: String, index: true },
      amount: Number,
      secret: String,
      token: { type: String, select: false },
      when: Date,
      customer: { name: String, card: String },
    });
    return database.connection.model('Order', taskQueue(schema));
  };
  let Order: ReturnType<typeof make>;
  let view: View;

  beforeAll(async () => {
    Order = make();
    await Order.ensureTaskIndexes();
    await Order.init();
    view = new View({ models: [Order], hide: ['secret', 'customer.card'] });
  });
  beforeEach(() => nativeOf(Order).deleteMany({}));

  const list = (options: object = {}) => listTasks(view, Order as never, options);
  const search = async (q: string, state = '') =>
    (await list({ q, state })).rows.map(({ summary }) => /to: (\w+)/.exec(summary)?.[1]).toSorted();

  it('shows each state, and of those that wait why they do', async () => {
    const [ready, later, failed, cancelled] = await Order.push([
      { to: 'ready' },
      { to: 'later' },
      { to: 'failed' },
      { to: 'cancelled' },
    ]);
    await rawUpdate(Order, later!._id, { $set: { '_task.availableAt': new Date(Date.now() + 60_000) } });
    await failed!.fail(new Error('no such address'));
    await cancelled!.cancel({ reason: 'not wanted' });
    await new Order({ to: 'pending' }).save();

    expect((await list()).rows.map(({ label }) => label)).toEqual([labelOf(ready), labelOf(later)]);
    expect((await list({ state: 'ready' })).rows.map(({ label }) => label)).toEqual([labelOf(ready)]);
    expect((await list({ state: 'delayed' })).rows.map(({ label }) => label)).toEqual([labelOf(later)]);
    expect((await list({ state: State.FAILED })).rows).toMatchObject([{ state: 'FAILED', reason: 'no such address' }]);
    expect((await list({ state: State.CANCELLED })).rows).toMatchObject([{ reason: 'not wanted' }]);
    expect((await list({ state: State.PENDING })).rows).toMatchObject([{ summary: 'to: pending' }]);
    expect((await list({ state: State.FINISHED })).rows).toEqual([]);
    await expect(list({ state: 'DONE' })).rejects.toThrow('ready, delayed, blocked');
  });

  it('shows ids and dates of a summary as people write them', async () => {
    const Visit = database.connection.model(
      'Visit',
      taskQueue(new Schema({ guest: Schema.Types.ObjectId, when: Date })),
    );
    const guest = new Types.ObjectId('64b000000000000000000001');
    await Visit.push({ guest, when: new Date(0) });

    const { rows } = await listTasks(new View({ models: [Visit] }), Visit as never, {});

    expect(rows[0]?.summary).toContain('guest: 64b000000000000000000001, when: 1970-01-01T00:00:00Z');
  });

  it('finds by query words what the schema casts', async () => {
    await Order.push({ to: 'ada', amount: 5, when: new Date() }, { key: 'first' });
    await Order.push({ to: 'bob', amount: 50, when: new Date(0) });
    const eve = await Order.push({ to: 'eve' });

    expect(await search('to:ada')).toEqual(['ada']);
    expect(await search('to:a*')).toEqual(['ada']);
    expect(await search('to:ada,bob amount:>=6')).toEqual(['bob']);
    expect(await search('to:!ada')).toEqual(['bob', 'eve']);
    expect(await search('amount:*')).toEqual(['ada', 'bob']);
    expect(await search('when:>-1h')).toEqual(['ada']);
    expect(await search('when:<2000-01-01')).toEqual(['bob']);
    expect(await search('first')).toEqual(['ada']);
    expect(await search('key:first')).toEqual(['ada']);
    expect(await search(String(eve._id))).toEqual(['eve']);
    expect(await search('to:"ada"')).toEqual(['ada']);
    expect(await search('to:ada.b*')).toEqual([]);
  });

  it('finds by a filter as JSON, with operators that only compare', async () => {
    await Order.push([{ to: 'ada', amount: 5 }, { to: 'bob', amount: 50 }, { to: 'eve' }]);

    expect(await search('{"amount":{"$gt":5}}')).toEqual(['bob']);
    expect(await search('{"$or":[{"to":"ada"},{"amount":"50"}]}')).toEqual(['ada', 'bob']);
    expect(await search('{"amount":{"$not":{"$gt":5}}}')).toEqual(['ada', 'eve']);
    expect(await search('{"to":{"$regex":"^a"}}')).toEqual(['ada']);
  });

  it.each([
    '{"$where":"sleep(1000)"}',
    '{"$expr":{"$function":{"body":"function(){}","args":[],"lang":"js"}}}',
    '{"to":{"$where":"1"}}',
    '{"$and":[{"$or":[{"$where":"1"}]}]}',
    '{"$text":{"$search":"a"}}',
    '{"$comment":"x"}',
    '{"to":{"$elemMatch":{"$expr":true}}}',
    '{"to":{"$regex":5}}',
    '{"to":{"$regex":"("}}',
    '{"to":{"$regex":"a","$options":"y"}}',
    '{"to":{"$options":"i"}}',
    '{"to":{"$not":5}}',
    '{"to":{"$not":{"$regex":"("}}}',
    '{"to":{"$type":"zzz"}}',
    '{"to":{"$type":[]}}',
    '{"to":{"$elemMatch":5}}',
    '{"to":{"$size":1}}',
    '{"to":{"$size":-1}}',
    '{"to":{"$in":[{"$gt":1}]}}',
    '{"to":{"$exists":{"a":1}}}',
    '{"_task.key":{"$type":"zzz"}}',
    '{"_task.key":{"$in":5}}',
    '{"_task.key":{"$regex":"("}}',
    '{"__proto__":{"to":"a"}}',
    '{"_id":{"$oid":"xyz"}}',
    '{"to":{"$binary":{}}}',
    '{"when":{"$date":{"a":1}}}',
    '{"amount":{"$numberDecimal":"much"}}',
    '{"nowhere":1}',
    '{"to"',
    'nowhere:1',
    '$where:1',
    'when:yesterday',
    'amount:much',
  ])('refuses %s', async (q) => {
    await expect(list({ q })).rejects.toThrow(InvalidOptionError);
  });

  it('refuses more than a person would ask for', async () => {
    const many = `{"$or":[${Array.from({ length: 300 }, () => '{"to":"a"}').join(',')}]}`;
    const deep = `${'{"$and":['.repeat(50)}{"to":"a"}${']}'.repeat(50)}`;

    for (const q of [many, deep, 'to:a '.repeat(40), `to:${'a'.repeat(20_000)}`])
      await expect(list({ q })).rejects.toThrow(InvalidOptionError);
  });

  it.each([
    'secret:a',
    'secret:*',
    'token:a',
    'customer.card:1',
    '{"secret":{"$exists":true}}',
    '{"customer":{"name":"ada","card":"1"}}',
    '{"customer":{"$gt":{"card":"1"}}}',
    '{"customer":{"$elemMatch":{"card":"1"}}}',
    '{"$nor":[{"customer.card":"1"}]}',
  ])('tells nothing of what is hidden: %s', async (q) => {
    await Order.push({ to: 'ada', secret: 'a', token: 'a', customer: { name: 'ada', card: '1' } });

    await expect(list({ q })).rejects.toThrow('hidden');
    await expect(list({ sort: 'secret' })).rejects.toThrow('hidden');
    expect(JSON.stringify(await list())).not.toMatch(/secret|card|token/);
  });

  it('has parts, each beginning where the one before ended', async () => {
    await Order.push(Array.from({ length: 5 }, (_, n) => ({ to: `n${n}` })));
    const first = await list({ limit: 3 });
    const second = await list({ limit: 3, after: first.next! });

    expect(first.rows.map(({ summary }) => summary)).toEqual(['to: n0', 'to: n1', 'to: n2']);
    expect(second.rows.map(({ summary }) => summary)).toEqual(['to: n3', 'to: n4']);
    expect(second.next).toBeNull();
    expect(first.count).toEqual({ value: 5, more: false });
    for (const wrong of [{ after: 'x' }, { after: '-1' }, { limit: 0 }, { limit: 1_000 }])
      await expect(list(wrong)).rejects.toThrow(InvalidOptionError);
  });

  it('tells which index serves it, and warns where none does', async () => {
    await Order.push([{ to: 'ada', amount: 5 }]);

    expect((await list()).plan).toEqual({ index: 'task_claim', warning: null });
    expect((await list({ state: 'FAILED' })).plan).toEqual({ index: 'task_ended', warning: null });
    expect((await list({ q: 'to:ada' })).plan).toMatchObject({ warning: null });
    expect((await list({ q: 'amount:5' })).plan.warning).toContain('No index has `amount`');
    await expect(list({ sort: 'amount' })).rejects.toThrow('indexed path');
    expect((await list({ sort: '-to' })).rows).toHaveLength(1);
  });

  it('looks through the newest documents where an index is missing, and says so', async () => {
    await Order.push([{ to: 'ada' }, { to: 'bob' }]);
    await nativeOf(Order).dropIndex('task_claim');
    try {
      const { rows, plan } = await list();

      expect(rows.map(({ summary }) => summary)).toEqual(['to: bob', 'to: ada']);
      expect(plan.warning).toContain('An index of Order is missing');
      // Looking has not built it: that is for who may.
      expect((await nativeOf(Order).indexes()).map(({ name }) => name)).not.toContain('task_claim');
    } finally {
      await Order.ensureTaskIndexes();
    }
  });

  it('shows a task that another program has written', async () => {
    await nativeOf(Order).insertMany([
      { state: 'CREATED', priority: 'high', to: { $odd: 1 }, _task: 'none' },
      { _id: 5, state: 'CREATED', priority: 2, to: 'x'.repeat(10_000), _task: { availableAt: 'soon', errors: [1] } },
    ]);

    const { rows } = await list();

    expect(rows).toHaveLength(2);
    expect(rows.map(({ summary }) => summary)).toContain('to: [a long text]');
  });
});

function labelOf(task: { _id: unknown } | undefined): string {
  return String(task!._id).slice(-8);
}
