import { mongo, Schema } from 'mongoose';
import { InvalidOptionError, State, taskQueue } from 'mongoose-task-queue';
import { act } from '../../lib/inspect/act';
import type { ActOptions } from '../../lib/inspect/act-options';
import { idText } from '../../lib/inspect/ids';
import { countTarget } from '../../lib/inspect/target';
import { View } from '../../lib/inspect/view';
import { useDatabase } from '../support/database';
import { beforeNext } from '../support/interleave';
import { endLease, nativeOf, rawUpdate, stored } from '../support/raw';

describe('an action', () => {
  const database = useDatabase();
  const make = () => {
    const schema = new Schema({
      to: { type: String, required: true, default: 'ada' },
      amount: { type: Number, max: 100 },
      secret: String,
      fixed: { type: String, immutable: true },
    });
    return database.connection.model('Parcel', taskQueue(schema, { maxAttempts: 1, category: true }));
  };
  let Parcel: ReturnType<typeof make>;
  let view: View;

  beforeAll(async () => {
    Parcel = make();
    await Parcel.ensureTaskIndexes();
    view = new View({ models: [Parcel], hide: ['secret'] });
  });
  beforeEach(() => nativeOf(Parcel).deleteMany({}));

  const doIt = (options: ActOptions) => act(view, Parcel as never, options);
  const count = (options: ActOptions) => countTarget(view, Parcel as never, options);
  const ids = (...tasks: { _id: unknown }[]) => tasks.map(({ _id }) => idText(_id));
  const stateOf = async (task: { _id: unknown }) => (await stored(Parcel, task._id))['state'] as string;
  const make5 = async () => {
    const tasks = await Parcel.push([{ amount: 1 }, { amount: 2 }, { amount: 3 }, { amount: 4 }, { amount: 5 }]);
    const running = (await Parcel.pop())!;
    const [, finished, failed, cancelled, created] = tasks;
    await finished!.finish();
    await failed!.fail(new Error('no'));
    await cancelled!.cancel();
    return { running, finished: finished!, failed: failed!, cancelled: cancelled!, created: created! };
  };

  it.each([
    ['retry', { failed: 'CREATED' }],
    ['requeue', { failed: 'CREATED', cancelled: 'CREATED', finished: 'CREATED' }],
    ['cancel', { created: 'CANCELLED' }],
    ['delete', { created: null, finished: null, failed: null, cancelled: null }],
    ['run', {}],
    ['unschedule', {}],
  ] as const)(
    '%s changes those tasks alone for which it is meant, and says why not the others',
    async (action, changed) => {
      const all = await make5();
      const before = {
        running: 'RUNNING',
        finished: 'FINISHED',
        failed: 'FAILED',
        cancelled: 'CANCELLED',
        created: 'CREATED',
      };
      const lease = (await stored(Parcel, all.running._id))['_task'].token;
      const expected: Record<string, string | null> = { ...before, ...changed };

      const { done, skipped, more } = await doIt({ action, ids: ids(...Object.values(all)) });

      const after = await Promise.all(
        Object.entries(all).map(async ([name, task]) => [name, (await Parcel.findById(task._id))?.state ?? null]),
      );
      expect(Object.fromEntries(after)).toEqual(expected);
      // A cancel asks the one that runs to end.
      const changes = Object.keys(changed).length + (action === 'cancel' ? 1 : 0);
      expect({ done, more }).toEqual({ done: changes, more: false });
      expect(skipped).toHaveLength(5 - changes);
      // Whoever holds it goes on holding it.
      expect((await stored(Parcel, all.running._id))['_task'].token).toEqual(lease);
    },
  );

  it('on a running task never makes it run twice', async () => {
    await Parcel.push({});
    const running = (await Parcel.pop())!;

    for (const action of ['retry', 'requeue', 'run', 'delete', 'edit'] as const)
      expect(await doIt({ action, ids: ids(running), ...(action === 'edit' && { set: { amount: 7 } }) })).toMatchObject(
        { done: 0, skipped: [{ reason: expect.stringContaining('RUNNING') as string }] },
      );

    expect(await Parcel.pop()).toBeNull();
    await running.finish();
    expect((await stored(Parcel, running._id))['amount']).toBeUndefined();
  });

  it('that was decided before the task was claimed leaves it to its holder', async () => {
    const [delayed, failed] = await Parcel.push([{}, {}], { delayMs: 60_000 });
    await failed!.fail(new Error('no'));
    // Between the look and the write of the action somebody claims both, and one has finished once more.
    const claim = async (task: { _id: unknown }) => {
      await rawUpdate(Parcel, task._id, { $set: { state: 'CREATED', '_task.availableAt': new Date(0) } });
      return (await Parcel.pop())!;
    };
    const look = jest.spyOn(nativeOf(Parcel), 'updateMany');
    look.mockImplementationOnce(async function (this: unknown, ...given: unknown[]) {
      await claim(delayed!);
      look.mockRestore();
      return (nativeOf(Parcel).updateMany as (...rest: unknown[]) => unknown)(...given) as never;
    });

    await doIt({ action: 'run', ids: ids(delayed!) });

    expect(await stateOf(delayed!)).toBe(State.RUNNING);
    expect(await Parcel.pop()).toBeNull();
  });

  it('on all that match leaves a task alone that no longer does when its turn comes', async () => {
    const { failed } = await make5();
    const isOfPart = (filter: { $and?: { _id?: unknown }[] }) => filter.$and?.[0]?._id !== undefined;
    const between = beforeNext(Parcel, 'find', () => Parcel.requeue({}), isOfPart);

    const { done, skipped } = await doIt({ action: 'delete', state: State.FAILED });

    expect(between.happened).toBe(true);
    expect(done).toBe(0);
    expect(skipped).toMatchObject([{ reason: 'it is CREATED now, and not meant any more' }]);
    expect(await stateOf(failed)).toBe(State.CREATED);
  });

  it('deletes no task that was queued again between the look and the write', async () => {
    const { failed, finished } = await make5();
    const between = beforeNext(Parcel, 'deleteMany', () => Parcel.requeue({ _id: failed._id }));

    const { done, skipped } = await doIt({ action: 'delete', ids: ids(failed, finished) });

    expect(between.happened).toBe(true);
    expect(done).toBe(1);
    expect(skipped).toMatchObject([{ id: idText(failed._id), reason: 'it was claimed or changed meanwhile' }]);
    expect(await stateOf(failed)).toBe(State.CREATED);
  });

  it('by ids and a search is about those of the ids that match', async () => {
    const { failed, finished, created } = await make5();
    const target = { action: 'delete', ids: ids(failed, finished, created), state: State.FAILED } as const;

    expect(await count(target)).toEqual({ value: 1, more: false });
    expect(await doIt(target)).toMatchObject({ done: 1 });
    expect(await Parcel.countDocuments({ _id: { $in: [failed._id, finished._id, created._id] } })).toBe(2);
  });

  it.each([
    'order-7',
    '42',
    5,
    5.5,
    new Date(5),
    new mongo.UUID(),
    { a: 1, b: 'x' },
    mongo.Long.fromString('9007199254740993'),
  ])('finds a task whose id is %p', async (id) => {
    await nativeOf(Parcel).insertOne({ _id: id as never, state: 'FAILED', priority: 0, _task: {} });
    const [stored] = await nativeOf(Parcel).find().toArray();

    expect(await doIt({ action: 'retry', ids: ids(stored!) })).toEqual({ done: 1, skipped: [], more: false });
    expect(await doIt({ action: 'cancel', state: '' })).toEqual({ done: 1, skipped: [], more: false });
  });

  it('requeues a finished task once, however many ask for it at once', async () => {
    const task = await Parcel.push({}, { key: 'one' });
    await task.finish();

    const outcomes = await Promise.all([1, 2, 3].map(() => doIt({ action: 'requeue', ids: ids(task) })));

    expect(outcomes.filter(({ done }) => done === 1).length).toBeGreaterThanOrEqual(1);
    expect(await Parcel.popMany(10)).toHaveLength(1);
  });

  it('does not take the key of a live task', async () => {
    const old = await Parcel.push({}, { key: 'one' });
    await old.finish();
    const failed = await Parcel.push({}, { key: 'two' });
    await failed.fail(new Error('no'));
    await Parcel.push({}, { key: 'one' });
    await Parcel.push({}, { key: 'two' });

    const outcome = await doIt({ action: 'requeue', ids: ids(old, failed) });

    expect(outcome.done).toBe(0);
    expect(outcome.skipped.map(({ reason }) => reason)).toEqual([
      expect.stringContaining('key') as string,
      expect.stringContaining('key') as string,
    ]);
    expect([await stateOf(old), await stateOf(failed)]).toEqual(['FINISHED', 'FAILED']);
  });

  it('on all that match counts them first, and goes on where it was stopped', async () => {
    const tasks = await Parcel.push(Array.from({ length: 7 }, (_, amount) => ({ amount })));
    for (const task of tasks) await task.fail(new Error('no'));
    const target = { action: 'retry', state: State.FAILED, q: 'amount:>1' } as const;

    expect(await count(target)).toEqual({ value: 5, more: false });
    expect(await doIt({ ...target, limit: 3 })).toEqual({ done: 3, skipped: [], more: true });
    expect(await doIt({ ...target, delayMs: 60_000 })).toEqual({ done: 2, skipped: [], more: false });
    expect(await count(target)).toEqual({ value: 0, more: false });
    expect(await Parcel.countDocuments({ state: State.FAILED })).toBe(2);
  });

  it('goes through thousands', async () => {
    await Parcel.push(Array.from({ length: 1_100 }, () => ({})));

    expect(await doIt({ action: 'cancel', state: '', reason: 'stop' })).toEqual({
      done: 1_100,
      skipped: [],
      more: false,
    });
    expect(await doIt({ action: 'delete', state: State.CANCELLED })).toMatchObject({ done: 1_100 });
    expect(await Parcel.countDocuments({})).toBe(0);
  });

  it('makes a delayed task ready, and a recurring one for this time only', async () => {
    const once = await Parcel.push({}, { delayMs: 3_600_000 });
    const again = await Parcel.push({}, { every: 3_600_000, key: 'hourly', delayMs: 3_600_000 });

    expect(await doIt({ action: 'run', ids: ids(once, again) })).toMatchObject({ done: 2 });

    expect(await Parcel.popMany(5)).toHaveLength(2);
    expect((await stored(Parcel, again._id))['_task']).not.toHaveProperty('expiresFrom');
  });

  it('ends a schedule', async () => {
    const task = await Parcel.push({}, { every: 3_600_000, key: 'hourly' });

    expect(await doIt({ action: 'unschedule', ids: ids(task) })).toMatchObject({ done: 1 });
    expect(await stateOf(task)).toBe(State.FINISHED);
  });

  it('edits by the schema, and tells what it refuses', async () => {
    const task = await Parcel.push({ secret: 's', fixed: 'f' });
    const edit = (set: Record<string, unknown>) => doIt({ action: 'edit', ids: ids(task), set });

    expect(await edit({ amount: '5', priority: 3 })).toMatchObject({ done: 1 });
    expect(await stored(Parcel, task._id)).toMatchObject({ amount: 5, priority: 3, state: 'CREATED', secret: 's' });

    for (const wrong of [
      { amount: 101 },
      { amount: 'much' },
      { to: null },
      { priority: 1.5 },
      { secret: 'x' },
      { fixed: 'x' },
      { state: 'FINISHED' },
      { _task: {} },
      { '_task.attempts': 1 },
      { nowhere: 1 },
      {},
    ])
      await expect(edit(wrong)).rejects.toThrow(InvalidOptionError);
    expect(await stored(Parcel, task._id)).toMatchObject({ amount: 5, priority: 3, to: 'ada' });
    expect(await Parcel.popMany(5)).toHaveLength(1);
  });

  it('edits a task that has ended without queueing it', async () => {
    const { finished } = await make5();

    expect(await doIt({ action: 'edit', ids: ids(finished), set: { amount: 9 } })).toMatchObject({ done: 1 });
    expect(await stored(Parcel, finished._id)).toMatchObject({ amount: 9, state: 'FINISHED' });
  });

  it('edits nothing of a task that was claimed meanwhile', async () => {
    const task = await Parcel.push({ amount: 1 });
    const validate = jest.spyOn(Parcel.prototype, 'validate' as never) as unknown as jest.SpyInstance;
    validate.mockImplementationOnce(async () => {
      const held = (await Parcel.pop())!;
      await endLease(Parcel, held._id);
    });
    try {
      expect(await doIt({ action: 'edit', ids: ids(task), set: { amount: 2 } })).toMatchObject({
        done: 0,
        skipped: [{ reason: expect.stringContaining('claimed') as string }],
      });
      expect(await stored(Parcel, task._id)).toMatchObject({ amount: 1, state: 'RUNNING' });
    } finally {
      validate.mockRestore();
    }
  });

  it('edits no value that another document has, and none that cannot be read', async () => {
    await nativeOf(Parcel).createIndex({ fixed: 1, to: 1 }, { unique: true, name: 'once' });
    try {
      const [one, other, third] = await Parcel.push([{ to: 'a' }, { to: 'b' }, { to: 'c' }]);
      const set = { to: 'c' };

      await expect(doIt({ action: 'edit', ids: ids(one!), set: { amount: { $oid: 'x' } } })).rejects.toThrow(
        InvalidOptionError,
      );
      expect(await doIt({ action: 'edit', ids: ids(third!, one!, other!), set })).toMatchObject({
        done: 1,
        skipped: [{ reason: 'another document has one of the values' }, { id: idText(other!._id) }],
      });
    } finally {
      await nativeOf(Parcel).dropIndex('once');
    }
  });

  it('says of each task that an edit does not fit why, once another one was changed', async () => {
    const [one, other] = await Parcel.push([{}, {}]);
    await rawUpdate(Parcel, other!._id, { $set: { priority: 1.5 } });
    const set = { amount: 5 };

    expect(await doIt({ action: 'edit', ids: ids(one!, other!), set })).toMatchObject({
      done: 1,
      skipped: [{ id: idText(other!._id), reason: expect.stringContaining('priority') as string }],
    });
    await expect(doIt({ action: 'edit', ids: ids(other!), set })).rejects.toThrow(InvalidOptionError);
  });

  it('pauses a queue, or one of its categories, and ends that', async () => {
    await doIt({ action: 'pause', reason: 'night' });
    await doIt({ action: 'pause', category: 'big' });
    expect(await Parcel.paused()).toMatchObject([{ category: null, reason: 'night' }, { category: 'big' }]);

    await doIt({ action: 'resume' });
    await doIt({ action: 'resume', category: 'big' });
    expect(await Parcel.paused()).toEqual([]);
  });

  it('is refused where it may be a slip', async () => {
    const { failed } = await make5();

    for (const wrong of [
      { action: 'delete' },
      { action: 'cancel', q: ' ' },
      { action: 'cancel', q: '"' },
      { action: 'cancel', q: '{}' },
      { action: 'retry', ids: [] },
      { action: 'retry', ids: ['{"$gt":""}'] },
      { action: 'retry', ids: ['{"$regularExpression":{"pattern":".","options":""}}'] },
      { action: 'retry', state: 'FAILED', limit: 0 },
      { action: 'retry', state: 'FAILED', delayMs: -1 },
      { action: 'cancel', state: '', reason: '' },
      { action: 'edit', state: 'FAILED', set: { amount: 1 } },
      { action: 'retry', ids: ids(failed), set: { amount: 1 } },
      { action: 'pause', state: 'FAILED' },
      { action: 'view', ids: ids(failed) },
      { action: 'delete', state: '', q: '{"$where":"1"}' },
    ] as ActOptions[])
      await expect(doIt(wrong)).rejects.toThrow(InvalidOptionError);
    expect(await Parcel.countDocuments({})).toBe(5);
  });
});
