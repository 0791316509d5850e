import { Schema } from 'mongoose';
import { LeaseLostError, State, taskQueue } from 'mongoose-task-queue';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { beforeNext } from '../support/interleave';
import { endLease, nativeOf, rawUpdate, stored } from '../support/raw';
import { seen } from '../support/seen';

describe('push with a key', () => {
  const database = useDatabase();
  const makeInvoice = (connection = database.connection) =>
    connection.model('Invoice', taskQueue(new Schema({ number: Number })));
  let Invoice: ReturnType<typeof makeInvoice>;
  const key = 'invoice-42';

  beforeAll(() => {
    Invoice = makeInvoice();
  });

  beforeEach(async () => {
    await Invoice.deleteMany({});
  });

  it('queues a task under it', async () => {
    const invoice = await Invoice.push({ number: 42 }, { key });

    expect((await stored(Invoice, invoice._id))['_task'].key).toBe(key);
    expect((await Invoice.pop())?.id).toBe(invoice.id);
  });

  it('returns the live task the second time, and inserts nothing', async () => {
    const first = await Invoice.push({ number: 42 }, { key });

    const second = await Invoice.push({ number: 43 }, { key });

    expect(seen(second)).toMatchObject({ id: first.id, number: 42, state: State.CREATED });
    expect(await Invoice.countDocuments()).toBe(1);
  });

  it('leaves the document that came second new and PENDING', async () => {
    await Invoice.push({ number: 42 }, { key });
    const second = new Invoice({ number: 43 });

    const live = await second.push({ key });

    expect(live).not.toBe(second);
    expect(seen(second)).toMatchObject({ isNew: true, state: State.PENDING, number: 43 });
  });

  it('keeps the live task when a new document with its `_id` is pushed', async () => {
    const first = await Invoice.push({ number: 42 }, { key });

    const second = await Invoice.push({ _id: first._id, number: 43 }, { key });

    expect(seen(second)).toMatchObject({ id: first.id, number: 42, isNew: false });
    expect(second.pushOutcome).toBe('kept');
  });

  it('refuses a new document with the `_id` of a task that has ended', async () => {
    const first = await Invoice.push({ number: 42 }, { key });
    await (await Invoice.pop())!.finish();

    const second = Invoice.push({ _id: first._id, number: 43 }, { key });

    await expect(second).rejects.toMatchObject({ code: 11_000, keyValue: { _id: first._id } });
  });

  it('returns a running task too, which its holder goes on holding', async () => {
    await Invoice.push({ number: 42 }, { key });
    const held = (await Invoice.pop())!;

    const live = await Invoice.push({ number: 43 }, { key });

    expect(seen(live)).toMatchObject({ id: held.id, state: State.RUNNING, lease: null });
    await expect(live.finish()).rejects.toThrow(LeaseLostError);
    await held.finish();
  });

  it('returns a task whose lease ended and that nobody has taken over', async () => {
    const first = await Invoice.push({ number: 42 }, { key });
    await Invoice.pop();
    await endLease(Invoice, first._id);

    expect((await Invoice.push({ number: 43 }, { key })).id).toBe(first.id);
  });

  it.each(['finish', 'fail'] as const)('is free again after `%s()`', async (verb) => {
    const first = await Invoice.push({ number: 42 }, { key });
    await (await Invoice.pop())![verb]();

    const second = await Invoice.push({ number: 43 }, { key });

    expect(second.id).not.toBe(first.id);
    expect(seen(await Invoice.pop())).toMatchObject({ number: 43 });
  });

  it.each(['retry', 'release'] as const)('stays taken after `%s()`', async (verb) => {
    const first = await Invoice.push({ number: 42 }, { key });
    await (await Invoice.pop())![verb]();

    expect((await Invoice.push({ number: 43 }, { key })).id).toBe(first.id);
  });

  it('is given up by a task that is pushed again without it', async () => {
    const first = await Invoice.push({ number: 42 }, { key });
    await first.finish();
    await first.push();

    const second = await Invoice.push({ number: 43 }, { key });

    expect(second.id).not.toBe(first.id);
  });

  it('lets a finished task be pushed again under it', async () => {
    const first = await Invoice.push({ number: 42 }, { key });
    await first.finish();

    await first.push({ key });

    expect(first.state).toBe(State.CREATED);
    expect((await Invoice.push({ number: 43 }, { key })).id).toBe(first.id);
  });

  it('returns the live one instead of a finished task that is pushed again', async () => {
    const finished = await Invoice.push({ number: 41 }, { key });
    await finished.finish();
    const live = await Invoice.push({ number: 42 }, { key });

    finished.number = 43;
    const pushed = await finished.push({ key });

    expect(pushed.id).toBe(live.id);
    expect(seen(finished)).toMatchObject({ state: State.FINISHED, number: 43 });
    expect(finished.modifiedPaths()).toEqual(['number']);
    expect(await stored(Invoice, finished._id)).toMatchObject({ state: 'FINISHED', number: 41 });
  });

  it('can be given to a task that waits', async () => {
    const first = await Invoice.push({ number: 42 });

    await first.push({ key });

    expect((await Invoice.push({ number: 43 }, { key })).id).toBe(first.id);
  });

  it('saves the changes of the live task itself', async () => {
    const first = await Invoice.push({ number: 42 }, { key });

    first.number = 43;
    const pushed = await first.push({ key });

    expect(pushed).toBe(first);
    expect((await Invoice.pop())?.number).toBe(43);
  });

  it('may be used for one task only', async () => {
    const push = Invoice.push([{ number: 42 }, { number: 43 }], { key });

    await expect(push).rejects.toThrow('Expected one task for `key`, got 2');
  });

  it('queues one of many that are pushed at the same moment from two connections', async () => {
    const other = await openConnection(database.uri);
    const models = [Invoice, makeInvoice(other)];

    const pushed = await Promise.all(
      Array.from({ length: 20 }, (_, index) => models[index % 2]!.push({ number: index }, { key })),
    );

    expect(new Set(pushed.map(({ id }) => id as string)).size).toBe(1);
    expect(await Invoice.countDocuments()).toBe(1);
  });

  it('never has two live tasks while it is pushed and finished at the same time', async () => {
    const finishOne = async () => (await Invoice.pop())?.finish();

    const works = Array.from({ length: 60 }, (_, index) =>
      index % 2 ? finishOne() : Invoice.push({ number: index }, { key }),
    );
    await Promise.all(works);

    expect(await Invoice.countDocuments({ state: { $in: [State.CREATED, State.RUNNING] } })).toBeLessThanOrEqual(1);
    expect(await Invoice.countDocuments()).toBeGreaterThan(0);
  });

  it('is enforced by an index, whoever writes', async () => {
    const first = await Invoice.push({ number: 42 }, { key });
    await first.finish();
    await Invoice.push({ number: 43 }, { key });

    const rawRetry = nativeOf(Invoice).updateOne({ _id: first._id }, { $set: { state: 'CREATED' } });

    await expect(rawRetry).rejects.toMatchObject({ code: 11_000, keyPattern: { '_task.key': 1 } });
  });

  it('works where save hooks run', async () => {
    const schema = new Schema({ number: Number });
    const saved = jest.fn();
    schema.post('save', saved);
    const Hooked = database.connection.model('HookedInvoice', taskQueue(schema));

    const first = await Hooked.push({ number: 42 }, { key });
    const second = await Hooked.push({ number: 43 }, { key });

    expect(second.id).toBe(first.id);
    expect(saved).toHaveBeenCalledTimes(1);
    expect(await Hooked.countDocuments()).toBe(1);
  });

  it('leaves other errors of duplicates to the caller', async () => {
    const schema = new Schema({ number: { type: Number, unique: true } });
    const Unique = database.connection.model('UniqueInvoice', taskQueue(schema));
    await Unique.init();
    await Unique.push({ number: 42 }, { key });

    const push = Unique.push({ number: 42 }, { key: 'another' });

    await expect(push).rejects.toMatchObject({ code: 11_000, keyPattern: { number: 1 } });
  });

  it('hides of the live task what its schema hides', async () => {
    const schema = new Schema({ number: Number, secret: { type: String, select: false } });
    const Hidden = database.connection.model('HiddenInvoice', taskQueue(schema));
    await Hidden.push({ number: 42, secret: 'x' }, { key });

    const live = await Hidden.push({ number: 43 }, { key });

    expect(live.get('secret')).toBeUndefined();
    live.number = 44;
    await live.push();
    expect(await stored(Hidden, live._id)).toMatchObject({ number: 44, secret: 'x' });
  });

  it('is looked for again when the live task settles at that moment', async () => {
    const first = await Invoice.push({ number: 42 }, { key });
    // The second push is refused, and before it looks for the live task that one has been finished.
    const end = () => rawUpdate(Invoice, first._id, { $set: { state: 'FINISHED' } });
    const look = beforeNext(Invoice, 'find', end, (filter) => '_task.key' in filter);

    const second = await Invoice.push({ number: 43 }, { key });

    expect(look.happened).toBe(true);
    expect(second.id).not.toBe(first.id);
    expect(seen(await Invoice.pop())).toMatchObject({ number: 43 });
  });
});
