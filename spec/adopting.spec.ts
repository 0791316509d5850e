import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import mongoose, { Schema } from 'mongoose';
import * as main from 'mongoose-task-queue';
import { LeaseLostError, taskQueue, type TaskQueueOptions, TaskStateError } from 'mongoose-task-queue';
import { useDatabase } from './support/database';
import { nativeOf, stored } from './support/raw';

const PAGE = readFileSync(join(__dirname, '../docs/adopting.md'), 'utf8');

/** What docs/adopting.md says of a collection that had data before its model became a queue. */
describe('a collection that has data', () => {
  const database = useDatabase();
  let count = 0;
  const makeInvoice = (options: TaskQueueOptions = { expireAfterSeconds: false }, shape: object = {}) =>
    database.connection.model(
      `Invoice${count}`,
      taskQueue(new Schema({ to: String, ...shape }), options),
      `invoices${count++}`,
    );
  type InvoiceModel = ReturnType<typeof makeInvoice>;
  /** A model of the old code, for the same collection. */
  const oldOf = (Invoice: InvoiceModel) =>
    database.connection.model(`Old${Invoice.modelName}`, new Schema({ to: String }), Invoice.collection.name);
  const insert = async (Invoice: InvoiceModel, fields: object) =>
    (await nativeOf(Invoice).insertOne({ to: 'ada', ...fields })).insertedId;

  describe('has as a task', () => {
    it.each([
      ['none without a state', {}, false],
      ['none that is PENDING', { state: 'PENDING' }, false],
      ['none that is FINISHED', { state: 'FINISHED' }, false],
      ['none that is FAILED', { state: 'FAILED' }, false],
      ['what is CREATED', { state: 'CREATED' }, true],
      ['what is RUNNING', { state: 'RUNNING' }, true],
      ['none of another state', { state: 'open' }, false],
    ])('%s', async (_what, fields, isTask) => {
      const Invoice = makeInvoice();
      const _id = await insert(Invoice, fields);

      expect((await Invoice.pop())?._id).toEqual(isTask ? _id : undefined);
    });

    it('what `requeue({})` finds FAILED', async () => {
      const Invoice = makeInvoice();
      await insert(Invoice, { state: 'FAILED' });

      expect(await Invoice.requeue({})).toEqual({ requeued: 1, skipped: 0 });
    });

    it('what is pushed, unless it has a state of another meaning', async () => {
      const Invoice = makeInvoice();
      await insert(Invoice, { state: 'open', to: 'other' });
      await insert(Invoice, {});

      await (await Invoice.findOne({ to: 'ada' }))!.push();
      await expect((await Invoice.findOne({ to: 'other' }))!.push()).rejects.toThrow(TaskStateError);

      expect((await Invoice.pop())?.to).toBe('ada');
    });
  });

  it('gives texts for a priority before numbers, and none after all', async () => {
    const Invoice = makeInvoice();
    for (const [to, priority] of [
      ['none', undefined],
      ['least', -100],
      ['text', 'low'],
      ['most', 100],
    ])
      await insert(Invoice, { to, state: 'CREATED', ...(priority !== undefined && { priority }) });

    expect((await Invoice.popMany(4)).map(({ to }) => to)).toEqual(['text', 'most', 'least', 'none']);
  });

  it('gives what was back-filled before what was pushed with its priority, by `_id`', async () => {
    const Invoice = makeInvoice();
    await Invoice.push({ to: 'pushed' });
    await insert(Invoice, { to: 'a' });
    await insert(Invoice, { to: 'b' });

    await Invoice.updateMany({ state: { $exists: false } }, { state: 'CREATED', priority: 2 });

    expect((await Invoice.popMany(4)).map(({ to }) => to)).toEqual(['a', 'b', 'pushed']);
  });

  it('is as it was once a back-fill was taken back, except for what was claimed', async () => {
    const Invoice = makeInvoice();
    for (const to of ['a', 'b']) await insert(Invoice, { to });
    await Invoice.updateMany({ state: { $exists: false } }, { state: 'CREATED', priority: 1 });
    const claimed = await Invoice.pop();
    await claimed!.release();

    await Invoice.push({ to: 'pushed' });
    const untouched = { state: 'CREATED', _task: { $exists: false } } as object;
    await Invoice.updateMany(untouched, { $unset: { state: 1, priority: 1 } });

    const left = await nativeOf(Invoice)
      .find({ to: 'b' }, { projection: { _id: 0 } })
      .toArray();
    expect(left).toEqual([{ to: 'b' }]);
    expect((await Invoice.popMany(3)).map(({ to }) => to)).toEqual(['pushed', 'a']);
  });

  describe('loses by a TTL index', () => {
    /** Whether one of the TTL indexes holds the document with a date, so that it will be deleted. */
    const expires = async (Invoice: InvoiceModel, _id: unknown) => {
      const indexes = (await nativeOf(Invoice).indexes()).filter((index) => index.expireAfterSeconds !== undefined);
      const held = await Promise.all(
        indexes.map(({ key, partialFilterExpression }) =>
          nativeOf(Invoice).countDocuments({
            _id,
            [Object.keys(key)[0]!]: { $type: 'date' },
            ...partialFilterExpression,
          }),
        ),
      );
      return held.includes(1);
    };

    it.each<[string, TaskQueueOptions, object, [pushed: boolean, backfilled: boolean]]>([
      ['no creation time', {}, {}, [true, false]],
      ['a `createdAt`', {}, { createdAt: Date }, [false, false]],
      ['one time for all', { expireAfterSeconds: 3_600 }, {}, [true, false]],
      ['a time for what is finished', { expireAfterSeconds: { finished: 3_600 } }, {}, [true, true]],
      ['no expiry', { expireAfterSeconds: false }, {}, [false, false]],
    ])('what the page says, with %s', async (_what, options, shape, expected) => {
      const Invoice = makeInvoice(options, shape);
      const [pushed, backfilled, untouched] = [
        await insert(Invoice, {}),
        await insert(Invoice, {}),
        await insert(Invoice, {}),
      ];

      await (await Invoice.findById(pushed))!.push();
      await Invoice.updateOne({ _id: backfilled }, { state: 'CREATED' });
      for (const task of await Invoice.popMany(2)) await task.finish();

      expect([await expires(Invoice, pushed), await expires(Invoice, backfilled)]).toEqual(expected);
      expect(await expires(Invoice, untouched)).toBe(false);
    });
  });

  describe('goes on beside old code, which', () => {
    const held = async () => {
      const Invoice = makeInvoice();
      const _id = await insert(Invoice, { state: 'CREATED' });
      return { Old: oldOf(Invoice), Invoice, _id, task: (await Invoice.pop())! };
    };

    it('reads and saves its own fields, and leaves the task held', async () => {
      const { Old, Invoice, _id, task } = await held();
      const old = (await Old.findById(_id))!;
      old.to = 'grace';
      await old.save();

      await task.finish();

      expect(old.toJSON()).toMatchObject({ state: 'RUNNING', _task: { attempts: 1 } });
      expect(await stored(Invoice, _id)).toMatchObject({ to: 'grace', state: 'FINISHED' });
    });

    it('replaces it: its holder is refused', async () => {
      const { Old, _id, task } = await held();

      await Old.replaceOne({ _id }, { to: 'grace' });

      await expect(task.finish()).rejects.toThrow(LeaseLostError);
    });

    it('deletes it: its holder is refused', async () => {
      const { Old, _id, task } = await held();

      await Old.deleteOne({ _id });

      await expect(task.finish()).rejects.toThrow(TaskStateError);
    });

    it('drops the indexes by `syncIndexes()`, which the next pop builds again', async () => {
      const { Old, Invoice } = await held();
      const names = async () => (await nativeOf(Invoice).indexes()).map(({ name }) => name).toSorted();
      const before = await names();

      await Old.syncIndexes();
      expect(await names()).toEqual(['_id_']);
      await Invoice.pop();

      expect(await names()).toEqual(before);
    });
  });

  it('keeps `updatedAt` over a claim', async () => {
    const schema = taskQueue(new Schema({ to: String }, { timestamps: true }));
    const Invoice = database.connection.model('Stamped', schema);
    await Invoice.push({ to: 'ada' });
    const { updatedAt } = (await nativeOf(Invoice).findOne({}))!;

    const task = await Invoice.pop();
    expect((await stored(Invoice, task!._id))['updatedAt']).toEqual(updatedAt);
    await task!.finish();
    expect((await stored(Invoice, task!._id))['updatedAt'].getTime()).toBeGreaterThanOrEqual(updatedAt.getTime());
  });
});

describe('the names on the page about adopting', () => {
  const namesOf = (row: string) => {
    const [, cell] = new RegExp(`^\\| ${row} \\| (.+) \\|$`, 'm').exec(PAGE)!;
    return [...cell!.matchAll(/`(\w+)`/g)].map(([, name]) => name!).toSorted();
  };
  const schema = taskQueue(new Schema({}));

  it('are those that the plugin adds', () => {
    expect(namesOf('statics')).toEqual(Object.keys(schema.statics).toSorted());
    expect(namesOf('methods')).toEqual(Object.keys(schema.methods).toSorted());
    const { prototype } = mongoose.model('Getters', schema) as { prototype: object };
    const getters = Object.entries(Object.getOwnPropertyDescriptors(prototype)).filter(([name]) => name in main);
    expect(namesOf('getters')).toEqual(getters.flatMap(([name, { get }]) => (get ? [name] : [])).toSorted());
  });

  it('are told in one error, which the page quotes', () => {
    const own = new Schema(
      { state: String, priority: String, attempts: Number },
      { statics: { stats() {} }, methods: { retry() {} } },
    );
    const told = /InvalidOptionError: ([^]*?)\n```/.exec(PAGE)![1]!;

    expect(() => taskQueue(own)).toThrow(told);
  });
});
