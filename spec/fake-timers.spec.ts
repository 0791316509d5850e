import { Schema } from 'mongoose';
import { constant, taskQueue } from 'mongoose-task-queue';
import { useDatabase } from './support/database';
import { deferred } from './support/deferred';
import { nativeOf, stored } from './support/raw';
import { makeWorker, nextEvent } from './support/worker';

const HOUR = 3_600_000;
const { setTimeout: later, Date: RightDate } = globalThis;
const pass = (ms: number) => new Promise((resolve) => later(resolve, ms));

describe.each([
  ['ahead', HOUR],
  ['behind', -HOUR],
])('fake timers whose time stands still, an hour %s', (_where, shiftMs) => {
  const database = useDatabase('replicaSet');
  const make = () =>
    database.connection.model(
      'Letter',
      taskQueue(new Schema({ to: String }), { backoff: constant(HOUR), leaseMs: 300 }),
    );
  let Letter: ReturnType<typeof make>;

  beforeAll(async () => {
    Letter = make();
    await Letter.ensureTaskIndexes();
    // So that there is an estimate of the server's clock from before.
    await (await Letter.push({ to: 'first' })).finish();
  });
  beforeEach(async () => {
    await nativeOf(Letter).deleteMany({});
    fake();
  });
  afterEach(() => jest.useRealTimers());

  // The driver itself goes on by these.
  const fake = () =>
    jest.useFakeTimers({ now: RightDate.now() + shiftMs, doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });

  const dueAt = async ({ _id }: { _id: unknown }) => {
    const { dueAt: due } = (await stored(Letter, _id))['_task'] as { dueAt: Date };
    return due.getTime() - RightDate.now();
  };

  it('do not shift what is pushed', async () => {
    await Letter.push({ to: 'now' });
    const delayed = await Letter.push({ to: 'later' }, { delayMs: HOUR });

    expect((await Letter.pop())?.to).toBe('now');
    expect(await Letter.pop()).toBeNull();
    expect(await dueAt(delayed)).toBeGreaterThan(HOUR - 60_000);
    expect(await dueAt(delayed)).toBeLessThan(HOUR + 60_000);
  });

  it('do not shift retries and slots', async () => {
    await Letter.push({ to: 'again' });
    const retried = await (await Letter.pop())!.retry();
    const recurring = await Letter.push({ to: 'hourly' }, { every: HOUR, key: 'hourly' });
    await (await Letter.pop())!.finish();

    for (const letter of [retried, recurring]) {
      expect(await dueAt(letter)).toBeGreaterThan(HOUR - 60_000);
      expect(await dueAt(letter)).toBeLessThan(HOUR + 60_000);
    }
  });

  it('leave nothing behind when they are gone', async () => {
    await Letter.push({ to: 'before' }, { delayMs: HOUR });
    jest.useRealTimers();

    const delayed = await Letter.push({ to: 'later' }, { delayMs: HOUR });
    await Letter.push({ to: 'now' });

    expect((await Letter.pop())?.to).toBe('now');
    expect(await dueAt(delayed)).toBeGreaterThan(HOUR - 60_000);
    expect(await dueAt(delayed)).toBeLessThan(HOUR + 60_000);
  });

  it('keep no queue waiting for what becomes due', async () => {
    await Letter.push({ to: 'later' }, { delayMs: 400 });
    const queue = Letter.queue({ pollMs: 50 });

    const { value } = await queue.next();

    expect(value?.to).toBe('later');
    await queue.return();
  });

  it('keep no lease of a queue or a worker from being renewed', async () => {
    await Letter.push([{ to: 'queue' }, { to: 'worker' }]);
    const queue = Letter.queue();
    const inQueue = (await queue.next()).value!;
    const worker = makeWorker(Letter, { handler: () => pass(1_000) });
    await worker.start();

    await nextEvent(worker, 'finished');

    expect(await Letter.pop()).toBeNull();
    await inQueue.finish();
    await queue.return();
    await worker.stop();
  });

  it('keep no worker from its time limit', async () => {
    await Letter.push({ to: 'slow' });
    const worker = makeWorker(Letter, { handler: () => deferred().promise, timeoutMs: 50 });
    await worker.start();

    const [, error] = await nextEvent(worker, 'retried');

    expect((error as Error).name).toBe('TimeoutError');
    await worker.stop();
  });

  it('keep no write from being made again', async () => {
    const letter = await Letter.push({ to: 'locked' });
    const session = await database.connection.startSession();
    session.startTransaction();
    await Letter.updateOne({ _id: letter._id }, { to: 'written' }, { session });
    later(() => void session.commitTransaction(), 100);

    await letter.finish();

    expect((await stored(Letter, letter._id))['state']).toBe('FINISHED');
    await session.endSession();
  });
});
