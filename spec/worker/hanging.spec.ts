import { setTimeout as sleep } from 'node:timers/promises';
import { type ClientSession, Schema } from 'mongoose';
import { constant, State, taskQueue, UnrecoverableError } from 'mongoose-task-queue';
import { ServerClock } from '../../lib/server/clock';
import { sideOf } from '../../lib/side/collection';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { deferred, type Deferred } from '../support/deferred';
import { eventually } from '../support/eventually';
import { startProxy } from '../support/proxy';
import { nativeOf, stored } from '../support/raw';
import { heldHandler, makeWorker, nextEvent, recordEvents, startWorker } from '../support/worker';

// What is stopped here hangs as long as it is not cut off.
jest.unmock('../../lib/worker/limits');

const LATER_MS = 3_600_000;

type Method = 'findOneAndUpdate' | 'updateOne' | 'updateMany' | 'bulkWrite' | 'createIndexes';
type Call = (...args: unknown[]) => Promise<unknown>;

describe('a worker with something that does not come to its end', () => {
  const database = useDatabase();
  let number = 0;
  /** Validators wait for it, while there is one. */
  let answer: Deferred<boolean> | null = null;
  let asked = deferred();
  /** A save hook gives it to documents, whose saves then go alone. */
  let session: ClientSession | null = null;

  afterEach(async () => {
    answer?.resolve(true);
    answer = null;
    asked = deferred();
    await session?.endSession();
    session = null;
    jest.restoreAllMocks();
  });

  function makeEmail(leaseMs = 60_000, connection = database.connection) {
    const schema = new Schema({ to: String, sent: Number });
    schema.path('sent').validate(() => (asked.resolve(), answer?.promise ?? true));
    schema.pre('save', function () {
      if (session) this.$session(session);
    });

    return connection.model(
      `Email${++number}`,
      taskQueue(schema, { leaseMs, maxAttempts: 2, backoff: constant(LATER_MS) }),
    );
  }
  type EmailModel = ReturnType<typeof makeEmail>;
  type Email = InstanceType<EmailModel>;

  /** Calls of a method hang from now on, before they are sent. Resolves to the first one; `end()` lets all of them go on. */
  function hang(Email: EmailModel, method: Method) {
    const collection = nativeOf(Email) as unknown as Record<Method, Call>;
    const original = collection[method];
    const [called, ended] = [deferred(), deferred()];
    const spy = jest.spyOn(collection, method).mockImplementation(async (...args) => {
      called.resolve();
      await ended.promise;
      return original.apply(collection, args);
    });

    return { called: called.promise, end: () => (spy.mockRestore(), ended.resolve()) };
  }

  describe('ends by stop() all the same, once, and can be started again:', () => {
    /** Stops a worker that something hangs in, and starts it again when nothing does. */
    async function stopAndStartAgain(Email: EmailModel, worker: ReturnType<typeof makeWorker<Email>>, end: () => void) {
      const events = recordEvents(worker);
      await Promise.all([worker.stop({ timeoutMs: 20 }), worker.stop({ timeoutMs: 10 })]);
      end();

      await worker.start();
      const { id } = await Email.push({ to: 'next' });
      await eventually(() => {
        const finished = events.filter(([name]) => name === 'finished').map(([, task]) => (task as Email).id as string);
        expect(finished).toContain(id);
      });
      expect(events.filter(([name]) => name === 'stopped')).toHaveLength(1);

      return events;
    }

    it('a claim, and gives back what it brings when it comes', async () => {
      const Email = makeEmail();
      await Email.ensureTaskIndexes();
      const claim = hang(Email, 'findOneAndUpdate');
      const worker = await startWorker(Email, { handler: () => {} });
      await claim.called;
      const { _id } = await Email.push({ to: 'ada' });

      await worker.stop({ timeoutMs: 10 });
      claim.end();

      await eventually(async () =>
        expect(await stored(Email, _id)).toMatchObject({ state: State.CREATED, _task: { attempts: 0, claims: 1 } }),
      );
    });

    it('a claim', async () => {
      const Email = makeEmail();
      const claim = hang(Email, 'findOneAndUpdate');
      const worker = await startWorker(Email, { handler: () => {} });
      await claim.called;

      await stopAndStartAgain(Email, worker, claim.end);
    });

    it('the start', async () => {
      const Email = makeEmail();
      await Email.init();
      await Email.collection.dropIndexes();
      const creation = hang(Email, 'createIndexes');
      const worker = makeWorker(Email, { handler: () => {} });
      const starting = worker.start();
      await creation.called;

      await stopAndStartAgain(Email, worker, creation.end);
      await starting;
    });

    it.each<[string, Method, (email: Email) => void]>([
      ['a settle', 'bulkWrite', () => {}],
      ['a save', 'bulkWrite', (email) => void (email.sent = 1)],
      ['a save that goes alone', 'updateOne', (email) => void (email.sent = 1)],
    ])('%s, whose task it leaves to its lease, and says so', async (_, method, handler) => {
      const Email = makeEmail();
      if (method === 'updateOne') session = await database.connection.startSession();
      const { id } = await Email.push({ to: 'ada' });
      const settle = hang(Email, method);
      const worker = await startWorker(Email, { handler });
      await settle.called;

      const events = await stopAndStartAgain(Email, worker, settle.end);

      const [error, stopped] = events;
      expect(error).toEqual(['error', expect.objectContaining({ message: expect.stringContaining(id) as unknown })]);
      expect(stopped).toEqual(['stopped']);
    });

    it('a validator, whose task is not renewed any more', async () => {
      const Email = makeEmail(1_000);
      await Email.push({ to: 'ada' });
      answer = deferred();
      const worker = await startWorker(Email, { handler: (email) => void (email.sent = 1) });
      await asked.promise;

      await worker.stop({ timeoutMs: 10 });

      const next = await eventually(async () => {
        const task = await Email.pop();
        expect(task).not.toBeNull();
        return task!;
      });
      expect(next.attempts).toBe(2);
    });

    it('a renewal', async () => {
      const Email = makeEmail(300);
      const { _id } = await Email.push({ to: 'ada' });
      const renewal = hang(Email, 'bulkWrite');
      const { handler, call } = heldHandler<Email>();
      const worker = await startWorker(Email, { handler });
      await call(1);
      await renewal.called;

      await worker.stop({ timeoutMs: 10 });

      expect(await stored(Email, _id)).toMatchObject({ state: State.CREATED, _task: { attempts: 0 } });
    });

    it('the giving back of a task whose handler goes on', async () => {
      const Email = makeEmail();
      await Email.push({ to: 'ada' });
      const { handler, call } = heldHandler<Email>();
      let isHeld = true;
      const worker = await startWorker(Email, {
        handler: (email, context) => (isHeld ? handler(email, context) : undefined),
      });
      await call(1);
      const release = hang(Email, 'updateOne');

      await stopAndStartAgain(Email, worker, () => {
        isHeld = false;
        release.end();
      });
      await release.called;
    });

    it('the giving back of tasks that were claimed ahead', async () => {
      const Email = makeEmail();
      await Email.push(Array.from({ length: 60 }, () => ({ to: 'ada' })));
      const { handler, call } = heldHandler<Email>();
      let count = 0;
      const worker = await startWorker(Email, {
        handler: (email, context) => (++count > 5 ? handler(email, context) : undefined),
      });
      (await call(1)).end.resolve();
      const returned = hang(Email, 'updateMany');

      await worker.stop({ timeoutMs: 10 });
      returned.end();

      await eventually(async () => expect(await Email.countDocuments({ state: State.RUNNING })).toBe(0));
    });

    it('the server, while it is busy', async () => {
      const proxy = await startProxy(database.uri);
      const connection = await openConnection(proxy.uri);
      const Email = makeEmail(60_000, connection);
      await Email.push([{ to: 'a' }, { to: 'b' }, { to: 'c' }]);
      const { handler, call } = heldHandler<Email>();
      const worker = await startWorker(Email, { handler, concurrency: 2 });
      const events = recordEvents(worker);
      await call(2);
      events.length = 0;

      proxy.stall();
      await worker.stop({ timeoutMs: 10 });

      expect(events.map(([name]) => name)).toEqual(['error', 'stopped']);
      proxy.resume();
      // What was on its way is carried out nevertheless.
      await eventually(async () => expect(await Email.countDocuments({ state: State.CREATED })).toBe(3));
      await connection.destroy();
      await proxy.close();
    });

    it('the end of the run before, which was given more time', async () => {
      const Email = makeEmail();
      await Email.push({ to: 'ada' });
      const { handler, call } = heldHandler<Email>();
      const worker = await startWorker(Email, { handler });
      await call(1);
      const events = recordEvents(worker);
      const patient = worker.stop({ timeoutMs: 1_000_000 });
      const starting = worker.start();

      await worker.stop({ timeoutMs: 10 });

      await Promise.all([patient, starting]);
      expect(events.map(([name]) => name)).toEqual(['released', 'stopped', 'stopped']);
    });
  });

  it('ends by stop() in time also where its last beat hangs', async () => {
    const Email = makeEmail();
    const never = deferred<never>();
    jest.spyOn(sideOf(Email), 'bulkWrite').mockImplementation(() => never.promise);
    const { handler, call } = heldHandler<Email>();
    const worker = makeWorker(Email, { handler });
    const finished = nextEvent(worker, 'finished');
    await worker.start();
    await Email.push([{ to: 'ada' }, { to: 'eve' }]);
    // Something is counted, so that there is something to write.
    (await call(1)).end.resolve();
    await finished;
    await call(2);
    const giveBack = hang(Email, 'updateOne');

    // Both are timers of this process: whatever holds it up, the earlier one comes first.
    const limit = sleep(1_000).then(() => 'too late');
    expect(await Promise.race([worker.stop({ timeoutMs: 0 }).then(() => 'stopped'), limit])).toBe('stopped');
    await limit;
    await giveBack.called;
    giveBack.end();
  });

  it('works its tasks also where the clock of its beat cannot be read', async () => {
    const Email = makeEmail();
    await Email.push({ to: 'ada' });
    await Email.isEmpty();
    jest.spyOn(ServerClock.prototype, 'now').mockImplementation(() => new Promise(() => {}));
    const worker = makeWorker(Email, { handler: () => {} });
    const finished = nextEvent(worker, 'finished');
    await worker.start();

    await finished;
    await worker.stop();
  });

  describe('and a `timeoutMs`, which', () => {
    it.each<[string, Method | null]>([
      ['validator', null],
      ['save', 'bulkWrite'],
      ['save that goes alone', 'updateOne'],
    ])('a %s at the end exceeds, has failed the attempt', async (_, method) => {
      const Email = makeEmail();
      if (method === 'updateOne') session = await database.connection.startSession();
      const { _id } = await Email.push({ to: 'ada' });
      answer = method ? null : deferred();
      const collection = nativeOf(Email) as unknown as Record<string, Call>;
      const never = deferred();
      if (method) jest.spyOn(collection, method).mockImplementationOnce(() => never.promise);
      const worker = makeWorker(Email, { timeoutMs: 50, handler: (email) => void (email.sent = 1) });
      const events = recordEvents(worker);
      const retried = nextEvent(worker, 'retried');
      await worker.start();

      const [, error] = await retried;

      expect(error).toMatchObject({
        name: 'TimeoutError',
        message: expect.stringContaining('longer than 50 ms') as unknown,
      });
      const raw = await stored(Email, _id);
      expect(raw).toMatchObject({ state: State.CREATED, _task: { attempts: 1, errors: [{ attempt: 1 }] } });
      expect(raw).not.toHaveProperty('sent');
      // What comes to its end after all changes nothing.
      answer?.resolve(true);
      await worker.stop();
      expect(await stored(Email, _id)).toEqual(raw);
      expect(events.map(([name]) => name)).toEqual(['started', 'retried', 'stopped']);
    });

    it('the answer to a finish exceeds, is told to be what the server made of it', async () => {
      const Email = makeEmail();
      const { _id } = await Email.push({ to: 'ada' });
      const collection = nativeOf(Email) as unknown as Record<string, Call>;
      const { bulkWrite } = collection;
      jest.spyOn(collection, 'bulkWrite').mockImplementationOnce(async (...args) => {
        await bulkWrite!.apply(collection, args);
        return deferred().promise;
      });
      const worker = makeWorker(Email, { timeoutMs: 50, handler: () => {} });
      const finished = nextEvent(worker, 'finished');
      await worker.start();
      await finished;

      expect(await stored(Email, _id)).toMatchObject({ state: State.FINISHED });
    });

    it('the answer to a failure exceeds, is told with what the handler threw', async () => {
      const Email = makeEmail();
      const { _id } = await Email.push({ to: 'ada' });
      const collection = nativeOf(Email) as unknown as Record<string, Call>;
      const { bulkWrite } = collection;
      jest.spyOn(collection, 'bulkWrite').mockImplementationOnce(async (...args) => {
        await bulkWrite!.apply(collection, args);
        return deferred().promise;
      });
      const thrown = new UnrecoverableError('no address');
      const worker = makeWorker(Email, { timeoutMs: 50, handler: () => Promise.reject(thrown) });
      const failed = nextEvent(worker, 'failed');
      await worker.start();

      expect((await failed)[1]).toBe(thrown);
      expect(await stored(Email, _id)).toMatchObject({ state: State.FAILED });
    });
  });
});
