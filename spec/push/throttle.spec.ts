import { Schema } from 'mongoose';
import { State, taskQueue } from 'mongoose-task-queue';
import { clockOf } from '../../lib/server/clock';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { beforeNext } from '../support/interleave';
import { nativeOf, rawUpdate, stored } from '../support/raw';

const key = 'sms-7';
const throttleMs = 60_000;
const PUSHERS = 20;

describe('push with throttleMs', () => {
  const database = useDatabase();
  const makeSms = (connection = database.connection) =>
    connection.model('Sms', taskQueue(new Schema({ number: Number }), { backoff: () => 0 }));
  let Sms: ReturnType<typeof makeSms>;

  beforeAll(() => {
    Sms = makeSms();
  });

  beforeEach(async () => {
    await Sms.deleteMany({});
  });

  /** Lets the window of a task be over. */
  const endWindow = (_id: unknown) => rawUpdate(Sms, _id, { $set: { '_task.throttledUntil': new Date(0) } });

  it.each(['keep', 'replace', 'debounce', 'after', 'supersede'] as const)(
    'keeps every push with `%s` while its task lives',
    async (onDuplicate) => {
      const first = await Sms.push({ number: 1 }, { key, throttleMs });

      const second = await Sms.push(
        { number: 2 },
        { key, onDuplicate, throttleMs, ...(onDuplicate === 'debounce' && { delayMs: 0 }) },
      );

      expect(second.id).toBe(first.id);
      expect(second.pushOutcome).toBe('kept');
      expect((await Sms.pop())?.number).toBe(1);
    },
  );

  it.each(['finish', 'fail'] as const)('keeps every push after `%s()` of its task', async (verb) => {
    const first = await Sms.push({ number: 1 }, { key, throttleMs });
    await (await Sms.pop())![verb]();

    const second = await Sms.push({ number: 2 }, { key });

    expect(second.id).toBe(first.id);
    expect(second.pushOutcome).toBe('kept');
    expect([State.FINISHED, State.FAILED]).toContain(second.state);
    expect(await Sms.countDocuments()).toBe(1);
  });

  it('takes no window away that a push has opened since it was looked at', async () => {
    const first = await Sms.push({ number: 1 }, { key, throttleMs });
    await first.finish();
    await endWindow(first._id);
    const isOfWindow = (filter: object) => '_task.throttledUntil' in filter;
    const close = beforeNext(Sms, 'updateOne', () => first.push({ key, throttleMs }), isOfWindow);

    const second = await Sms.push({ number: 2 }, { key });

    expect(close.happened).toBe(true);
    expect(second.id).toBe(first.id);
    expect((await stored(Sms, first._id))['_task'].throttledUntil.getTime()).toBeGreaterThan(0);
    await first.finish();
    expect((await Sms.push({ number: 3 }, { key })).id).toBe(first.id);
  });

  it('keeps the task that another push has given a window before this one could supersede it', async () => {
    const first = await Sms.push({ number: 1 }, { key });
    const isOfAside = (filter: object) => '_task.behind' in filter && '$nor' in filter;
    const open = () => Sms.push({ number: 2 }, { key, onDuplicate: 'replace', throttleMs });
    const moveAside = beforeNext(Sms, 'updateOne', open, isOfAside);

    const third = await Sms.push({ number: 3 }, { key, onDuplicate: 'supersede' });

    expect(moveAside.happened).toBe(true);
    expect(third.id).toBe(first.id);
    expect(third.pushOutcome).toBe('kept');
    expect((await Sms.pop())?.number).toBe(2);
  });

  it('queues again when the window is over', async () => {
    const first = await Sms.push({ number: 1 }, { key, throttleMs });
    await first.finish();
    await endWindow(first._id);

    const second = await Sms.push({ number: 2 }, { key, throttleMs });

    expect(second.pushOutcome).toBe('queued');
    expect((await Sms.pop())?.number).toBe(2);
    expect((await stored(Sms, first._id))['_task']).not.toHaveProperty('throttledUntil');
  });

  it('is over in time by the clock of the server', async () => {
    const first = await Sms.push({ number: 1 }, { key, throttleMs: 1 });
    await first.finish();

    let second = await Sms.push({ number: 2 }, { key });
    while (second.id === first.id) second = await Sms.push({ number: 2 }, { key });

    expect(second.pushOutcome).toBe('queued');
  });

  it('is open by the clock of the server, however fast that of the pusher is', async () => {
    const first = await Sms.push({ number: 1 }, { key, throttleMs });
    await first.finish();
    const clock = await clockOf(Sms);
    const exact = clock.estimate.bind(clock);
    const estimate = jest
      .spyOn(clock, 'estimate')
      .mockImplementation(() => new Date(exact().getTime() + 2 * throttleMs));

    try {
      const second = await Sms.push({ number: 2 }, { key });

      expect(estimate).toHaveBeenCalled();
      expect(second.id).toBe(first.id);
      expect(second.pushOutcome).toBe('kept');
      expect(await Sms.countDocuments()).toBe(1);
    } finally {
      estimate.mockRestore();
    }
  });

  it('starts a window with each task: also with one that is replaced, or comes behind', async () => {
    const first = await Sms.push({ number: 1 }, { key });
    await Sms.push({ number: 2 }, { key, onDuplicate: 'replace', throttleMs });
    expect((await Sms.push({ number: 3 }, { key, onDuplicate: 'replace' })).pushOutcome).toBe('kept');
    await endWindow(first._id);
    const held = (await Sms.pop())!;

    const behind = await Sms.push({ number: 4 }, { key, onDuplicate: 'after', throttleMs });

    expect(behind.pushOutcome).toBe('behind');
    expect((await Sms.push({ number: 5 }, { key, onDuplicate: 'after' })).pushOutcome).toBe('kept');
    await held.finish();
    expect((await Sms.pop())?.number).toBe(4);
  });

  it('keeps a push of the task itself', async () => {
    const first = await Sms.push({ number: 1 }, { key, throttleMs });
    await first.finish();

    const pushed = await first.push({ key });

    expect(pushed).toBe(first);
    expect(first.pushOutcome).toBe('kept');
    expect((await stored(Sms, first._id)).state).toBe('FINISHED');
  });

  it('skips another failed task of the key while it is open', async () => {
    const failed = await Sms.push({ number: 1 }, { key });
    await failed.fail(new Error('no luck'));
    await (await Sms.push({ number: 2 }, { key, throttleMs })).finish();

    expect(await Sms.requeue({})).toEqual({ requeued: 0, skipped: 1 });
  });

  it('lets its own task be requeued', async () => {
    const failed = await Sms.push({ number: 1 }, { key, throttleMs });
    await failed.fail(new Error('no luck'));

    expect(await Sms.requeue({})).toEqual({ requeued: 1, skipped: 0 });

    expect((await Sms.pop())?.number).toBe(1);
  });

  it('does not keep the index of keys from being built, when another task has the key by then', async () => {
    await (await Sms.push({ number: 1 }, { key, throttleMs })).finish();
    await Sms.collection.dropIndex('task_key');
    await nativeOf(Sms).insertOne({ state: 'CREATED', number: 2, _task: { key } });

    await Sms.ensureTaskIndexes();

    expect((await Sms.push({ number: 3 }, { key })).pushOutcome).toBe('kept');
  });

  it('queues one of many that are pushed at the same moment from two connections, open or over', async () => {
    const other = await openConnection(database.uri);
    const models = [Sms, makeSms(other)];
    const pushAll = () =>
      Promise.all(
        Array.from({ length: PUSHERS }, (_, index) => models[index % 2]!.push({ number: index }, { key, throttleMs })),
      );
    const first = await pushAll();
    expect(new Set(first.map(({ id }) => id as string)).size).toBe(1);
    await first[0]!.finish();
    await endWindow(first[0]!._id);

    const second = await pushAll();

    expect(new Set(second.map(({ id }) => id as string)).size).toBe(1);
    expect(second[0]!.id).not.toBe(first[0]!.id);
    expect(await Sms.countDocuments()).toBe(2);
    expect(await nativeOf(Sms).countDocuments({ '_task.throttledUntil': { $exists: true } })).toBe(1);
  });
});
