import { getEventListeners } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createConnection, mongo, Schema, Types, type Connection } from 'mongoose';
import { InvalidOptionError, LeaseLostError, Priority, taskQueue, type TaskQueueOptions } from 'mongoose-task-queue';
import { onArrival } from '../../lib/notify/arrivals';
import { monitoredConnection, type MonitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { deferred } from '../support/deferred';
import { eventually } from '../support/eventually';
import { startMongod } from '../support/mongod';
import { startProxy } from '../support/proxy';
import { nativeOf, rawUpdate, stored } from '../support/raw';

jest.mock('../../lib/timers', () => jest.requireActual<object>('../support/fakeable-timers'));

jest.mock('../../lib/notify/arrivals', () => {
  const actual = jest.requireActual<typeof import('../../lib/notify/arrivals')>('../../lib/notify/arrivals');

  return {
    ...actual,
    onArrival: jest.fn((...args: Parameters<typeof onArrival>) => jest.fn(actual.onArrival(...args))),
  };
});

/** So long that a spec would fail if a queue had to wait for its next look. */
const NEVER_MS = 600_000;

describe('queue', () => {
  const database = useDatabase();
  const makeLetter = (connection: Connection, name = 'Letter', options: TaskQueueOptions = {}) =>
    connection.model(name, taskQueue(new Schema({ to: String }), options));
  type Letters = ReturnType<typeof makeLetter>;
  type Queue = AsyncGenerator<InstanceType<Letters>, void, void>;
  let Letter: Letters;
  let queues: Queue[] = [];

  beforeAll(() => {
    Letter = makeLetter(database.connection);
  });

  afterEach(async () => {
    await Promise.all(queues.map((queue) => queue.return()));
    queues = [];
    jest.restoreAllMocks();
    await Letter.deleteMany({});
  });

  /** A queue that ends with its spec. */
  function open(options: Parameters<Letters['queue']>[0] = {}, model = Letter): Queue {
    const queue = model.queue(options);
    queues.push(queue);

    return queue;
  }

  /** The next task, for which the spec must have been waiting. */
  async function nextOf(queue: Queue) {
    const { value } = await queue.next();
    if (!value) throw new Error('The queue has ended.');

    return value;
  }

  describe('yields', () => {
    it('the tasks in the order of pop(), RUNNING and leased', async () => {
      await Letter.push([{ to: 'low', priority: Priority.LOW }, { to: 'first' }, { to: 'second' }]);
      const queue = open();

      const tasks = [await nextOf(queue), await nextOf(queue), await nextOf(queue)];

      expect(tasks.map(({ to, state, attempts }) => ({ to, state, attempts }))).toEqual(
        ['first', 'second', 'low'].map((to) => ({ to, state: 'RUNNING', attempts: 1 })),
      );
      for (const { lease } of tasks) expect(lease).not.toBeNull();
    });

    it('what comes later, for as long as it is asked', async () => {
      const queue = open({ pollMs: 5 });
      for (const to of ['first', 'second', 'third']) {
        const pending = nextOf(queue);
        await Letter.push({ to });

        const task = await pending;

        expect(task.to).toBe(to);
        await task.finish();
      }
    });

    it('only tasks of the categories', async () => {
      const Parcel = database.connection.model('Parcel', taskQueue(new Schema({}), { category: true }));
      await Parcel.push(['a', 'b', 'c', 'a'].map((category) => ({ category })));
      const queue = Parcel.queue({ category: ['c', 'a'] });

      const categories: unknown[] = [];
      for await (const parcel of queue) if (categories.push(parcel.category) === 3) break;

      expect(categories).toEqual(['a', 'c', 'a']);
      expect(await Parcel.isEmpty({ category: 'b' })).toBe(false);
    });

    it('populated tasks', async () => {
      const Person = database.connection.model('Person', new Schema({ name: String }));
      const Greeting = database.connection.model(
        'Greeting',
        taskQueue(new Schema({ to: { type: Schema.Types.ObjectId, ref: 'Person' } })),
      );
      const ada = await Person.create({ name: 'Ada' });
      await Greeting.push({ to: ada._id });

      for await (const greeting of Greeting.queue({ populate: 'to' })) {
        expect(greeting.to).toMatchObject({ name: 'Ada' });
        break;
      }
    });

    it('each task to one of several queues on one model', async () => {
      await Letter.push(Array.from({ length: 60 }, (_, number) => ({ to: String(number) })));
      const ending = new AbortController();
      const yielded: unknown[] = [];
      const consume = async () => {
        let count = 0;
        for await (const task of Letter.queue({ signal: ending.signal })) {
          count++;
          await task.finish();
          if (yielded.push(task.to) === 60) ending.abort();
        }
        return count;
      };

      const counts = await Promise.all([consume(), consume(), consume()]);

      expect(new Set(yielded).size).toBe(60);
      expect(yielded).toHaveLength(60);
      for (const count of counts) expect(count).toBeGreaterThan(0);
    });
  });

  describe('while there is nothing', () => {
    let monitored: MonitoredConnection;
    let Watched: Letters;
    const looks = () => monitored.sent('findAndModify').length;

    beforeEach(async () => {
      monitored = await monitoredConnection(database.uri);
      Watched = makeLetter(monitored.connection);
      await Watched.isEmpty();
      monitored.forget();
    });

    afterEach(async () => {
      await Promise.all(queues.map((queue) => queue.return()));
      await monitored.connection.destroy();
    });

    const SOON_MS = 200;
    /** Resolves when the queue has looked so often that its next look is half a second away. */
    const untilPatient = () => eventually(() => expect(looks()).toBeGreaterThanOrEqual(7));

    it.each([
      ['a push', async () => () => Watched.push({ to: 'ada@example.org' })],
      ['a push of many', async () => () => Watched.push([{ to: 'ada@example.org' }, { to: 'bob@example.org' }])],
      ['a task that is put back', async () => (await popped()).release],
    ])('is woken at once by %s in this process', async (_what, prepare) => {
      const times: number[] = [];
      // More than once only where the machine is busy with something else.
      while (times.length < 20 && !times.some((ms) => ms < SOON_MS)) {
        const arrive = await prepare();
        const queue = open({ pollMs: NEVER_MS }, Watched);
        const pending = nextOf(queue);
        await untilPatient();
        await arrive();
        const start = performance.now();

        await pending;

        times.push(performance.now() - start);
        await queue.return();
        await Watched.deleteMany({});
        monitored.forget();
      }
      expect(Math.min(...times)).toBeLessThan(SOON_MS);
    });

    async function popped(): Promise<{ release: () => Promise<unknown> }> {
      await Watched.push({ to: 'ada@example.org' });
      const task = await Watched.pop();
      monitored.forget();

      return { release: () => task!.release() };
    }

    it('looks every `pollMs` for what others wrote', async () => {
      const pending = nextOf(open({ pollMs: 30 }, Watched));
      await eventually(() => expect(looks()).toBeGreaterThanOrEqual(5));

      await nativeOf(Letter).insertOne({ to: 'ada@example.org', state: 'CREATED' });

      expect((await pending).to).toBe('ada@example.org');
    });

    it('looks soon at first, then ever more seldom, up to `pollMs`, which varies by a fifth', async () => {
      const times: number[] = [];
      monitored.connection.getClient().on('commandStarted', ({ commandName }) => {
        if (commandName === 'findAndModify') times.push(performance.now());
      });
      void open({ pollMs: 100 }, Watched).next();

      await eventually(() => expect(looks()).toBeGreaterThanOrEqual(9));

      const waits = times.slice(1).map((time, index) => time - times[index]!);
      const least = [10, 20, 40, 80, 100, 100, 100, 100].map((ms) => ms * 0.8 - 2);
      expect(waits.slice(0, 8).filter((wait, index) => wait < least[index]!)).toEqual([]);
      expect(new Set(waits.slice(4, 8).map(Math.round)).size).toBeGreaterThan(1);
    });
  });

  describe('ends without an error', () => {
    it('by break, with the task in hand left to its lease', async () => {
      await Letter.push([{ to: 'first' }, { to: 'second' }]);

      for await (const task of Letter.queue()) {
        expect(task.to).toBe('first');
        break;
      }

      expect(await Letter.countDocuments({ state: 'RUNNING' })).toBe(1);
      expect((await Letter.pop())?.to).toBe('second');
    });

    it('by return() while it waits for a task', async () => {
      const queue = open({ pollMs: NEVER_MS });
      const pending = queue.next();
      await untilItLooked(1);

      expect(await queue.return()).toEqual({ done: true, value: undefined });

      expect(await pending).toEqual({ done: true, value: undefined });
      expect(await queue.next()).toEqual({ done: true, value: undefined });
    });

    it('by the signal while it waits for a task', async () => {
      const ending = new AbortController();
      const pending = open({ pollMs: NEVER_MS, signal: ending.signal }).next();
      await untilItLooked(1);

      ending.abort(new Error('enough'));

      expect(await pending).toEqual({ done: true, value: undefined });
    });

    it('by a signal that is aborted already, and takes nothing', async () => {
      await Letter.push({ to: 'ada@example.org' });
      const yielded = [];

      for await (const task of Letter.queue({ signal: AbortSignal.abort() })) yielded.push(task);

      expect(yielded).toEqual([]);
      expect(await Letter.pop()).toMatchObject({ lease: { fence: 1 } });
    });

    it('by a signal that is aborted between the call and the first task', async () => {
      await Letter.push({ to: 'ada@example.org' });
      const ending = new AbortController();
      const queue = open({ signal: ending.signal });

      ending.abort();

      expect(await queue.next()).toEqual({ done: true, value: undefined });
      expect(await Letter.pop()).toMatchObject({ lease: { fence: 1 } });
    });

    it('by the signal during the loop body, which keeps its task', async () => {
      await Letter.push([{ to: 'first' }, { to: 'second' }]);
      const ending = new AbortController();
      const finished: unknown[] = [];

      for await (const task of Letter.queue({ signal: ending.signal })) {
        ending.abort();
        await task.finish();
        finished.push(task.to);
      }

      expect(finished).toEqual(['first']);
      expect((await Letter.pop())?.to).toBe('second');
    });

    it('by return() before it was ever asked, and takes nothing', async () => {
      await Letter.push({ to: 'ada@example.org' });
      const queue = open();

      await queue.return();

      expect(await queue.next()).toEqual({ done: true, value: undefined });
      expect(await Letter.isEmpty()).toBe(false);
    });

    it.each(['abort', 'return'] as const)('by %s at the moment of a claim, whose task goes back', async (how) => {
      await Letter.push({ to: 'ada@example.org' });
      const ending = new AbortController();
      const queue = open({ signal: ending.signal });
      const end = () => (how === 'abort' ? ending.abort() : void queue.return());
      afterNextClaim(end);

      expect(await queue.next()).toEqual({ done: true, value: undefined });

      await eventually(async () => expect(await Letter.isEmpty()).toBe(false));
      expect(await Letter.pop()).toMatchObject({ attempts: 1, lease: { attempt: 1, fence: 2 } });
    });

    describe('while its look hangs on a connection that is lost', () => {
      let proxy: Awaited<ReturnType<typeof startProxy>>;
      let connection: Connection;
      let Distant: Letters;

      beforeEach(async () => {
        proxy = await startProxy(database.uri);
        connection = await createConnection(proxy.uri).asPromise();
        Distant = makeLetter(connection);
        await Distant.isEmpty();
      });

      afterEach(async () => {
        proxy.resume();
        await connection.destroy();
        await proxy.close();
      });

      it.each(['abort', 'return'] as const)('by %s; what that look still brings goes back', async (how) => {
        const ending = new AbortController();
        const queue = Distant.queue({ signal: ending.signal });
        proxy.stall();
        const pending = queue.next();
        await Letter.push({ to: 'ada@example.org' });

        if (how === 'abort') ending.abort();
        else await queue.return();

        expect(await pending).toEqual({ done: true, value: undefined });
        proxy.resume();
        const bookkeeping = async () => (await nativeOf(Letter).findOne({}))?.['_task'];
        await eventually(async () => expect(await bookkeeping()).toMatchObject({ claims: 1, attempts: 0 }));
        expect(await Letter.pop()).toMatchObject({ attempts: 1 });
      });
    });

    it('by throw(), with the error for the caller', async () => {
      const queue = open();
      const error = new Error('enough');

      await expect(queue.throw(error)).rejects.toBe(error);

      expect(await queue.next()).toEqual({ done: true, value: undefined });
    });
  });

  describe('keeps the lease of the task at hand', () => {
    const makeShort = (name: string, leaseMs: number) => makeLetter(database.connection, name, { leaseMs });

    it('for as long as the body takes, so that nobody else gets it', async () => {
      // So long that a busy machine does not lose it.
      const leaseMs = 2_000;
      const Short = makeShort('Kept', leaseMs);
      const { _id } = await Short.push({ to: 'ada@example.org' });

      for await (const task of Short.queue()) {
        const end = performance.now() + 1.6 * leaseMs;
        while (performance.now() < end) {
          expect(await Short.pop()).toBeNull();
          await sleep(20);
        }
        await task.finish();
        break;
      }

      expect(await stored(Short, _id)).toMatchObject({ state: 'FINISHED', _task: { attempts: 1, claims: 1 } });
    });

    it('until the next one is asked for', async () => {
      const Short = makeShort('Asked', 150);
      await Short.push({ to: 'ada@example.org' });
      const queue = open({ pollMs: 10 }, Short);
      const first = await nextOf(queue);

      const second = await nextOf(queue);

      expect(second).toMatchObject({ id: first.id, attempts: 2 });
      await expect(first.finish()).rejects.toThrow(LeaseLostError);
    });

    it('until the body throws', async () => {
      const Short = makeShort('Thrown', 150);
      const { id } = await Short.push({ to: 'ada@example.org' });
      const loop = async () => {
        for await (const task of Short.queue()) throw new Error(`no ${task.to}`);
      };

      await expect(loop()).rejects.toThrow('no ada@example.org');

      expect(await stored(Short, new Types.ObjectId(id))).toMatchObject({ state: 'RUNNING', _task: { attempts: 1 } });
      const again = await eventually(async () => (await Short.pop()) ?? notYet());
      expect(again).toMatchObject({ id, attempts: 2 });
    });

    describe('and', () => {
      let Short: Letters;
      let timer: unknown;
      let stopped: jest.SpyInstance;
      let errors: Error[];

      beforeEach(async () => {
        const reported: Error[] = [];
        errors = reported;
        Short = makeShort('Short', 300);
        await Short.push({ to: 'ada@example.org' });
        const started = jest.spyOn(globalThis, 'setInterval');
        stopped = jest.spyOn(globalThis, 'clearInterval');
        task = await nextOf(open({ onError: (error) => reported.push(error as Error) }, Short));
        timer = started.mock.results.at(-1)!.value;
      });

      afterEach(() => database.connection.deleteModel('Short'));

      let task: Awaited<ReturnType<typeof nextOf>>;
      const renewingEnds = () => eventually(() => expect(stopped).toHaveBeenCalledWith(timer));

      it('says so when it is lost to somebody else, and lets go', async () => {
        await rawUpdate(Short, task._id, { $set: { '_task.token': new Types.ObjectId() } });

        await renewingEnds();
        // Two renewals may have been under way.
        expect(new Set(errors.map(({ name }) => name))).toEqual(new Set(['LeaseLostError']));
      });

      it('says so when the task was deleted, and lets go', async () => {
        await Short.deleteOne({ _id: task._id });

        await renewingEnds();
        expect(new Set(errors.map(({ name }) => name))).toEqual(new Set(['TaskStateError']));
      });

      it('says nothing when the body settles it', async () => {
        await task.finish();

        await renewingEnds();
        expect(errors).toEqual([]);
      });

      it('says so when it cannot be renewed, and tries again', async () => {
        const renewals = jest.spyOn(nativeOf(Short), 'findOneAndUpdate').mockRejectedValueOnce(new Error('boom'));

        await eventually(() => expect(renewals.mock.calls.length).toBeGreaterThan(1));

        expect(errors).toEqual([new Error('boom')]);
        expect(stopped).not.toHaveBeenCalledWith(timer);
      });
    });
  });

  describe('goes on after an error', () => {
    const failNextLooks = (times: number) => {
      const looks = jest.spyOn(nativeOf(Letter), 'findOneAndUpdate');
      for (let time = 1; time <= times; time++) looks.mockRejectedValueOnce(new Error(`boom ${time}`));
    };

    it('and gives each one to `onError`', async () => {
      failNextLooks(2);
      await Letter.push({ to: 'ada@example.org' });
      const errors: unknown[] = [];

      const task = await nextOf(open({ pollMs: 5, onError: (error) => errors.push(error) }));

      expect(task.to).toBe('ada@example.org');
      expect(errors).toEqual([new Error('boom 1'), new Error('boom 2')]);
    });

    it("and gives each one to the model's `error` listeners", async () => {
      failNextLooks(2);
      await Letter.push({ to: 'ada@example.org' });
      const warn = jest.spyOn(process, 'emitWarning');
      const errors: unknown[] = [];
      const listener = (error: unknown) => errors.push(error);
      Letter.on('error', listener);

      await nextOf(open({ pollMs: 5 }));

      expect(errors).toEqual([new Error('boom 1'), new Error('boom 2')]);
      expect(warn).not.toHaveBeenCalled();
      Letter.off('error', listener);
    });

    it('and warns once for each queue when nobody listens', async () => {
      failNextLooks(3);
      await Letter.push({ to: 'ada@example.org' });
      const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});

      await nextOf(open({ pollMs: 5 }));

      expect(warn).toHaveBeenCalledTimes(1);
      expect(warn).toHaveBeenCalledWith(expect.stringMatching(/Letter.*boom 1.*onError/), 'TaskQueueWarning');
    });

    it('that kept it from looking at all', async () => {
      const Parcel = makeLetter(database.connection, 'Misread');
      await Parcel.init();
      jest.spyOn(nativeOf(Parcel), 'indexes').mockRejectedValueOnce(new Error('boom'));
      const errors: unknown[] = [];
      await nativeOf(Parcel).insertOne({ to: 'ada@example.org', state: 'CREATED' });

      const task = await nextOf(open({ pollMs: 5, onError: (error) => errors.push(error) }, Parcel));

      expect([task.to, errors]).toEqual(['ada@example.org', [new Error('boom')]]);
    });

    it('of populate, whose task goes back', async () => {
      await Letter.push({ to: 'ada@example.org' });
      const reported = deferred<unknown>();
      const queue = open({ populate: { path: 'to', model: 'Nowhere' }, onError: reported.resolve });
      const pending = queue.next();

      expect(await reported.promise).toMatchObject({ name: 'MissingSchemaError' });

      await queue.return();
      await pending;
      expect(await Letter.pop()).toMatchObject({ attempts: 1 });
    });

    it('waiting longer after each in a row, at least `pollMs`', async () => {
      failNextLooks(4);
      const times: number[] = [];
      const queue = open({ pollMs: 20, onError: () => times.push(performance.now()) });
      const pending = queue.next();

      await eventually(() => expect(times).toHaveLength(4));

      const waits = times.slice(1).map((time, index) => time - times[index]!);
      for (const [index, leastMs] of [16, 32, 64].entries()) expect(waits[index]).toBeGreaterThan(leastMs - 2);
      await queue.return();
      await pending;
    });

    it('as bad as a server that is gone for a while', async () => {
      const dbPath = await mkdtemp(join(tmpdir(), 'mongod-'));
      const first = await startMongod({ dbPath });
      const connection = await createConnection(first.uri, { serverSelectionTimeoutMS: 200 }).asPromise();
      const Surviving = makeLetter(connection);
      const errors: unknown[] = [];
      const queue = open({ pollMs: 20, onError: (error) => errors.push(error) }, Surviving);
      const pending = nextOf(queue);
      await eventually(async () => expect(await Surviving.collection.indexes()).toHaveLength(5));

      await first.kill();
      await eventually(() => expect(errors.length).toBeGreaterThan(1));
      const second = await startMongod({ dbPath, port: Number(new URL(first.uri).port) });
      await eventually(() => Surviving.push({ to: 'ada@example.org' }));

      expect(await pending).toMatchObject({ to: 'ada@example.org', attempts: 1 });
      await queue.return();
      await connection.destroy();
      await second.stop();
      await rm(dbPath, { recursive: true });
    });
  });

  describe('ends by throwing an error that does not pass by itself:', () => {
    it('an index that is in the way', async () => {
      const Parcel = makeLetter(database.connection, 'Misindexed');
      await Parcel.init();
      await Parcel.collection.dropIndexes();
      await Parcel.collection.createIndex({ other: 1 }, { name: 'task_claim' });
      const errors: unknown[] = [];
      const queue = open({ pollMs: 5, onError: (error) => errors.push(error) }, Parcel);

      await expect(queue.next()).rejects.toMatchObject({ name: 'IndexConflictError' });

      expect([await queue.next(), errors]).toEqual([{ done: true, value: undefined }, []]);
    });

    it.each([
      ['a missing right', 13, 'Unauthorized', 'UnauthorizedError'],
      ['a server that cannot do it', 238, 'NotImplemented', 'UnsupportedServerError'],
    ])('%s', async (_, code, codeName, name) => {
      jest
        .spyOn(nativeOf(Letter), 'findOneAndUpdate')
        .mockRejectedValue(new mongo.MongoServerError({ message: 'no', code, codeName }));
      const signal = new AbortController().signal;

      await expect(open({ pollMs: 5, signal }).next()).rejects.toMatchObject({ name });

      expect(getEventListeners(signal, 'abort')).toEqual([]);
    });
  });

  describe('with an `onError` that', () => {
    const broken = new Error('the logger is out of order');

    it.each([
      [
        'throws',
        () => {
          throw broken;
        },
      ],
      ['rejects', () => Promise.reject(broken)],
    ])('%s while nobody waits for it warns', async (_, onError) => {
      const Short = makeLetter(database.connection, 'Deaf', { leaseMs: 150 });
      await Short.push({ to: 'ada@example.org' });
      const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
      const task = await nextOf(open({ onError: onError as () => void }, Short));

      await nativeOf(Short).deleteOne({ _id: task._id });

      await eventually(() =>
        expect(warn).toHaveBeenCalledWith(expect.stringContaining(broken.message), 'TaskQueueWarning'),
      );
      database.connection.deleteModel('Deaf');
    });

    it('throws while the loop waits ends it', async () => {
      jest.spyOn(nativeOf(Letter), 'findOneAndUpdate').mockRejectedValueOnce(new Error('boom'));

      const pending = open({
        onError: () => {
          throw broken;
        },
      }).next();

      await expect(pending).rejects.toBe(broken);
    });
  });

  it('tells of a task that it failed because the lease of its last attempt ended', async () => {
    const Short = makeLetter(database.connection, 'Crashing', { leaseMs: 50, maxAttempts: 1 });
    const { _id } = await Short.push({ to: 'ada@example.org' });
    await Short.pop();
    const errors: unknown[] = [];
    const queue = open({ pollMs: 10, onError: (error) => errors.push(error) }, Short);
    const pending = queue.next();

    await eventually(() => expect(errors).toHaveLength(1));

    expect(errors[0]).toMatchObject({
      name: 'TaskStateError',
      taskId: _id,
      state: 'FAILED',
      message: expect.stringContaining('lease') as unknown,
    });
    await queue.return();
    await pending;
  });

  describe('that nobody has any more', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const collectThen = (assertion: () => unknown) => eventually(async () => (collect(), assertion()));

    it('before it was iterated, leaves nothing on its signal', () => {
      const { signal } = new AbortController();

      for (let count = 0; count < 100; count++) Letter.queue({ signal });

      expect(getEventListeners(signal, 'abort')).toEqual([]);
    });

    it('nor its task, lets go of the task, of its signal and of what it listened to', async () => {
      const Short = makeLetter(database.connection, 'Dropped', { leaseMs: 200 });
      await Short.push({ to: 'ada@example.org' });
      const { signal } = new AbortController();
      const listening = jest.mocked(onArrival);
      listening.mockClear();
      await (async () => void (await Short.queue({ signal, pollMs: 10 }).next()))();

      await collectThen(async () => expect(await Short.pop()).toMatchObject({ attempts: 2 }));

      await collectThen(() => expect(getEventListeners(signal, 'abort')).toEqual([]));
      for (const { value: stop } of listening.mock.results) expect(stop).toHaveBeenCalled();
    });

    it('but its task keeps the lease of that', async () => {
      const Short = makeLetter(database.connection, 'Kept2', { leaseMs: 200 });
      const { _id } = await Short.push({ to: 'ada@example.org' });
      const task = await (async () => (await Short.queue({ pollMs: 10 }).next()).value!)();
      const until = async () => (await stored(Short, _id))['_task'].availableAt.getTime() as number;
      const first = await until();

      await collectThen(async () => expect(await until()).toBeGreaterThan(first + 600));

      await task.finish();
    });

    it('but that is asked for a task gets it', async () => {
      const pending = (() => Letter.queue({ pollMs: 10 }).next())();
      for (let count = 0; count < 5; count++) await new Promise(setImmediate).then(collect);

      await Letter.push({ to: 'ada@example.org' });

      const { value } = await pending;
      await value!.finish();
    });
  });

  describe('leaves nothing behind', () => {
    it.each([
      ['return() of a task at hand', (queue: Queue) => queue.next().then(() => queue.return())],
      ['return() while it waits', (queue: Queue) => queue.next().then(() => abandon(queue))],
      ['throw()', (queue: Queue) => queue.throw(new Error('enough')).catch(() => {})],
    ])('on the signal after %s', async (_how, end) => {
      await Letter.push({ to: 'ada@example.org' });
      const { signal } = new AbortController();

      await end(open({ signal }));

      expect(getEventListeners(signal, 'abort')).toEqual([]);
    });

    it('on a signal that was aborted', async () => {
      const ending = new AbortController();
      const queue = open({ signal: ending.signal });
      const pending = queue.next();

      ending.abort();

      await pending;
      expect(getEventListeners(ending.signal, 'abort')).toEqual([]);
      const aborted = AbortSignal.abort();
      await open({ signal: aborted }).next();
      expect(getEventListeners(aborted, 'abort')).toEqual([]);
    });

    it('of each look while it goes on', async () => {
      const balance = countListeners();
      const looks = jest.spyOn(nativeOf(Letter), 'findOneAndUpdate');
      const queue = open({ pollMs: 1, signal: new AbortController().signal });
      const pending = queue.next();

      await eventually(() => expect(looks.mock.calls.length).toBeGreaterThan(20));

      expect(balance()).toBeLessThan(5);
      await queue.return();
      await pending;
      await eventually(() => expect(balance()).toBe(0));
    });

    it('that listens for arrivals', async () => {
      const listening = jest.mocked(onArrival);
      listening.mockClear();

      await abandon(open({ pollMs: NEVER_MS }));

      expect(listening).toHaveBeenCalled();
      for (const { value: stop } of listening.mock.results) expect(stop).toHaveBeenCalled();
    });

    it('of timers, also when it ends in the middle of a wait or of a body', async () => {
      const intervals = jest.spyOn(globalThis, 'setInterval');
      const cleared = jest.spyOn(globalThis, 'clearInterval');
      await Letter.push([{ to: 'first' }, { to: 'second' }]);
      const before = timers();
      const queue = open({ pollMs: NEVER_MS, changeStreams: false });
      await nextOf(queue);
      await nextOf(queue);

      await abandon(queue);

      expect(intervals).toHaveBeenCalledTimes(2);
      const started = intervals.mock.results.map(({ value }) => value as NodeJS.Timeout);
      expect(cleared.mock.calls.map(([timer]) => timer)).toEqual(expect.arrayContaining(started));
      await eventually(() => expect(timers()).toBeLessThanOrEqual(before));
    });

    it('that keeps the process awake: an idle queue is the last thing it waits for', async () => {
      const queue = open({ pollMs: NEVER_MS });
      const before = timers();
      const pending = queue.next();
      await eventually(() => expect(timers()).toBeGreaterThan(before));

      await queue.return();
      await pending;

      await eventually(() => expect(timers()).toBeLessThanOrEqual(before));
    });

    /** Ends the queue while it waits for a task. */
    async function abandon(queue: Queue): Promise<void> {
      const pending = queue.next();
      await untilItLooked(1);
      await queue.return();
      await pending;
    }

    /** How many listeners for an abort were added since, and not removed. */
    function countListeners(): () => number {
      const added = jest.spyOn(EventTarget.prototype, 'addEventListener');
      const removed = jest.spyOn(EventTarget.prototype, 'removeEventListener');
      const ofAbort = ({ mock: { calls } }: typeof added | typeof removed) =>
        calls.filter(([type]) => type === 'abort').map(([, listener]) => listener);

      return () => {
        const gone = new Set(ofAbort(removed));

        return ofAbort(added).filter((listener) => !gone.has(listener)).length;
      };
    }
  });

  it.each([
    [{ pollMs: 0 }, 'pollMs'],
    [{ pollMs: 1.5 }, 'pollMs'],
    [{ pollMs: '5' }, 'pollMs'],
    [{ pollMs: 2 ** 31 }, 'pollMs'],
    [{ pollMs: null }, 'pollMs'],
    [{ signal: {} }, 'signal'],
    [{ signal: null }, 'signal'],
    [{ onError: 'log' }, 'onError'],
    [{ category: 'a' }, 'category: true'],
    [{ populate: 5 }, 'populate'],
    [{ polMs: 5 }, 'Did you mean `pollMs`'],
  ])('refuses %p at the call, not at the first task', (options, named) => {
    const call = () => Letter.queue(options as never);

    expect(call).toThrow(InvalidOptionError);
    expect(call).toThrow(named);
  });

  it('leaves its options alone, and takes frozen ones', async () => {
    await Letter.push({ to: 'ada@example.org' });
    const options = Object.freeze({ pollMs: 5, signal: new AbortController().signal });

    expect((await nextOf(open(options))).to).toBe('ada@example.org');
    expect(Object.keys(options)).toEqual(['pollMs', 'signal']);
  });

  /** Calls back when the server has carried out the next claim, and before the queue learns of it. */
  function afterNextClaim(callback: () => void): void {
    const collection = nativeOf(Letter) as unknown as { findOneAndUpdate(...args: unknown[]): Promise<unknown> };
    const claim = collection.findOneAndUpdate;
    jest.spyOn(collection, 'findOneAndUpdate').mockImplementationOnce(async (...args) => {
      const claimed = await claim.apply(collection, args);
      callback();

      return claimed;
    });
  }

  /** Resolves when the queue has found nothing and waits. */
  async function untilItLooked(times: number): Promise<void> {
    const looks = jest.spyOn(nativeOf(Letter), 'findOneAndUpdate');
    await eventually(() => expect(looks.mock.calls.length).toBeGreaterThanOrEqual(times));
    await Promise.all(looks.mock.results.map(({ value }) => value as Promise<unknown>));
  }
});

function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
}

function notYet(): never {
  throw new Error('not yet');
}
