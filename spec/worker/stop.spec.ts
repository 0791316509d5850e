import fc, { propertyRuns } from '../support/property';
import { createConnection, Schema, type Connection } from 'mongoose';
import { InvalidOptionError, State, taskQueue, Worker } from 'mongoose-task-queue';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { deferred } from '../support/deferred';
import { eventually } from '../support/eventually';
import { nativeOf, stored } from '../support/raw';
import { heldHandler, makeWorker, nextEvent, recordEvents, startWorker, tryAll } from '../support/worker';

/** Of this process, by all workers. */
let mockListeners = 0;
jest.mock('../../lib/notify/arrivals', () => {
  const actual = jest.requireActual<typeof import('../../lib/notify/arrivals')>('../../lib/notify/arrivals');
  const onArrival: typeof actual.onArrival = (...args) => {
    const stop = actual.onArrival(...args);
    mockListeners++;
    return () => (mockListeners--, stop());
  };

  return { ...actual, onArrival };
});

const NEVER_MS = 1_000_000;
const ROUNDS = propertyRuns(2_000);

describe('starting and stopping a worker', () => {
  const database = useDatabase();
  const makeEmail = () => database.connection.model('Email', taskQueue(new Schema({ to: String })));
  let Email: ReturnType<typeof makeEmail>;
  type Email = InstanceType<typeof Email>;

  beforeAll(async () => {
    Email = makeEmail();
    await Email.ensureTaskIndexes();
  });
  beforeEach(() => nativeOf(Email).deleteMany({}));
  afterEach(() => jest.restoreAllMocks());

  describe('start()', () => {
    it('resolves when the indexes are there', async () => {
      const Letter = database.connection.model('Letter', taskQueue(new Schema({ to: String })));

      await startWorker(Letter, { handler: () => {} });

      const indexes = await nativeOf(Letter).indexes();
      expect(indexes.map(({ name }) => name as unknown)).toContain('task_claim');
    });

    it('claims nothing before it is called', async () => {
      await Email.push({ to: 'ada' });
      const looks = jest.spyOn(nativeOf(Email), 'findOneAndUpdate');
      makeWorker(Email, { handler: () => {}, pollMs: 1 });
      await new Promise(setImmediate);

      expect(looks).not.toHaveBeenCalled();
    });

    it('twice, and at once, starts one loop', async () => {
      await Email.push([{ to: 'a' }, { to: 'b' }, { to: 'c' }]);
      const { handler, call, calls } = heldHandler<Email>();
      const worker = makeWorker(Email, { handler, prefetch: 0 });
      const looks = jest.spyOn(nativeOf(Email), 'findOneAndUpdate');

      await Promise.all([worker.start(), worker.start()]);
      await worker.start();
      (await call(1)).end.resolve();
      await call(2);

      expect(calls).toHaveLength(2);
      // A second loop would have begun with a claim of its own.
      expect(looks.mock.calls.length).toBe(2);
      calls[1]!.end.resolve();
    });

    describe('that fails', () => {
      const failure = new Error('no right to create an index');
      let number = 0;

      /** Its indexes cannot be created the first time. */
      function makeUnready() {
        const schema = new Schema({ to: String }, { autoIndex: false });
        const Unready = database.connection.model(`Unready${++number}`, taskQueue(schema));
        jest.spyOn(nativeOf(Unready), 'createIndexes').mockRejectedValueOnce(failure);

        return Unready;
      }

      it('rejects for everybody who called it, and can be called again', async () => {
        const Unready = makeUnready();
        const worker = makeWorker(Unready, { handler: () => {} });

        const starts = await Promise.allSettled([worker.start(), worker.start()]);

        const rejected = { status: 'rejected', reason: failure };
        expect(starts).toEqual([rejected, rejected]);
        await Unready.push({ to: 'ada' });
        const finished = nextEvent(worker, 'finished');
        await worker.start();
        await finished;
      });

      it('can be called again by whoever caught its error', async () => {
        const Unready = makeUnready();
        const worker = makeWorker(Unready, { handler: () => {} });

        await worker.start().catch(() => worker.start());

        await Unready.push({ to: 'ada' });
        await nextEvent(worker, 'finished');
      });

      it('because its tasks wait for a model that is not there yet can be called again once it is', async () => {
        const source = { type: Schema.Types.ObjectId, ref: 'Source', dependsOn: 'DIRECT' as const };
        const Build = database.connection.model('Build', taskQueue(new Schema({ source })));
        const worker = makeWorker(Build, { handler: () => {} });
        await expect(worker.start()).rejects.toThrow('Source');
        const Source = database.connection.model('Source', taskQueue(new Schema({})));
        const finished = nextEvent(worker, 'finished');

        await worker.start();

        const { _id } = await Source.push({});
        await Build.push({ source: _id });
        await Source.findById(_id).then((found) => found!.finish());
        await finished;
      });

      it('leaves nothing to stop', async () => {
        const worker = makeWorker(makeUnready(), { handler: () => {} });
        const events = recordEvents(worker);
        const starting = worker.start().catch((error: unknown) => error);
        expect(await starting).toBe(failure);

        await worker.stop();

        expect(events).toEqual([]);
      });
    });

    it('waits for a connection that is opened later', async () => {
      const connection = createConnection();
      const Late = connection.model('Email', Email.schema);
      await Email.push({ to: 'ada' });
      const worker = makeWorker(Late as unknown as typeof Email, { handler: () => {} });
      const finished = nextEvent(worker, 'finished');
      const starting = worker.start();
      await connection.openUri(database.uri);
      await starting;
      await finished;

      await worker.stop();
      await connection.destroy();
    });
  });

  describe('stop()', () => {
    it('before start() does nothing', async () => {
      const worker = makeWorker(Email, { handler: () => {} });
      const events = recordEvents(worker);

      await worker.stop();

      expect(events).toEqual([]);
    });

    it('ends an idle worker without waiting for its next look', async () => {
      const worker = makeWorker(Email, { handler: () => {}, pollMs: NEVER_MS });
      const idle = nextEvent(worker, 'idle');
      await worker.start();
      await idle;

      await worker.stop();

      expect(worker.status()).toMatchObject({ state: 'stopped' });
    });

    it('while start() is under way ends it before anything is claimed', async () => {
      await Email.push({ to: 'ada' });
      const { handler, calls } = heldHandler<Email>();
      const worker = makeWorker(Email, { handler });

      await Promise.all([worker.start(), worker.stop()]);

      expect(calls).toEqual([]);
      expect(await nativeOf(Email).countDocuments({ state: State.CREATED })).toBe(1);
    });

    it('does not wait for a connection that is never opened', async () => {
      const connection = createConnection();
      const Never = connection.model('Email', Email.schema);
      const worker = makeWorker(Never as unknown as typeof Email, { handler: () => {} });
      const starting = worker.start();

      await worker.stop();
      await starting;

      // What waits for it inside goes on until there is one.
      await connection.openUri(database.uri);
      await connection.destroy();
    });

    it('waits for what is in hand, and claims nothing more', async () => {
      await Email.push([{ to: 'a' }, { to: 'b' }]);
      const { handler, call, calls } = heldHandler<Email>();
      const worker = await startWorker(Email, { handler });
      const { end } = await call(1);
      const events = recordEvents(worker);
      let isStopped = false;
      const stopping = worker.stop().then(() => (isStopped = true));
      await new Promise(setImmediate);
      expect(isStopped).toBe(false);

      end.resolve();
      await stopping;

      expect(events.map(([name]) => name)).toEqual(['finished', 'stopped']);
      expect(calls).toHaveLength(1);
      expect(await nativeOf(Email).countDocuments({ state: State.CREATED })).toBe(1);
    });

    it('aborts what takes too long and gives it back without an attempt being charged', async () => {
      const { _id } = await Email.push({ to: 'ada' });
      const { handler, call } = heldHandler<Email>();
      const worker = await startWorker(Email, { handler });
      const { signal, task } = await call(1);
      const events = recordEvents(worker);

      await worker.stop({ timeoutMs: 10 });

      expect((signal.reason as Error).name).toBe('AbortError');
      expect(events).toEqual([['released', task], ['stopped']]);
      expect(task.attempts).toBe(0);
      expect(await stored(Email, _id)).toMatchObject({ state: State.CREATED, _task: { attempts: 0, claims: 1 } });
      expect(await Email.pop()).not.toBeNull();
    });

    it('leaves out what a handler it did not wait for has changed so far', async () => {
      const { _id } = await Email.push({ to: 'ada' });
      const { handler, call } = heldHandler<Email>();
      const worker = await startWorker(Email, {
        handler: (email, context) => ((email.to = 'half'), handler(email, context)),
      });
      await call(1);

      await worker.stop({ timeoutMs: 0 });

      expect(await stored(Email, _id)).toMatchObject({ state: State.CREATED, to: 'ada' });
    });

    it('has all refused that such a handler tries afterwards', async () => {
      const { _id } = await Email.push({ to: 'ada' });
      const { handler, call } = heldHandler<Email>();
      const worker = await startWorker(Email, { handler });
      const { task } = await call(1);
      await worker.stop({ timeoutMs: 0 });

      task.to = 'late';

      expect(await tryAll(task)).toEqual(Array(8).fill('LeaseLostError'));
      expect(await stored(Email, _id)).toMatchObject({ state: State.CREATED, to: 'ada', _task: { attempts: 0 } });
    });

    it('gives back what a claim under way brings', async () => {
      await Email.push([{ to: 'a' }, { to: 'b' }]);
      const { handler, calls } = heldHandler<Email>();
      const worker = makeWorker(Email, { handler, concurrency: 2 });
      const claimed = deferred();
      const stopping = deferred<Promise<void>>();
      const collection = nativeOf(Email) as unknown as { updateMany(...args: unknown[]): Promise<unknown> };
      const { updateMany } = collection;
      jest.spyOn(collection, 'updateMany').mockImplementationOnce(async (...args) => {
        const result = await updateMany.apply(collection, args);
        stopping.resolve(worker.stop());
        await claimed.promise;
        return result;
      });
      await worker.start();
      const stopped = stopping.promise.then((promise) => promise);
      await eventually(async () => expect(await nativeOf(Email).countDocuments({ state: State.RUNNING })).toBe(2));

      claimed.resolve();
      await stopped;

      expect(calls).toEqual([]);
      const tasks = await nativeOf(Email).find({}).toArray();
      expect(tasks.map(({ state, _task }) => [state, _task.attempts])).toEqual([
        [State.CREATED, 0],
        [State.CREATED, 0],
      ]);
    });

    it('called twice, and at once, resolves each time when nothing is left', async () => {
      await Email.push({ to: 'ada' });
      const { handler, call } = heldHandler<Email>();
      const worker = await startWorker(Email, { handler });
      const { end } = await call(1);
      const events = recordEvents(worker);

      const stops = [worker.stop(), worker.stop()];
      end.resolve();
      await Promise.all(stops);
      await worker.stop();

      expect(events.map(([name]) => name)).toEqual(['finished', 'stopped']);
    });

    it('called again with less patience is as patient as the last call', async () => {
      await Email.push({ to: 'ada' });
      const { handler, call } = heldHandler<Email>();
      const worker = await startWorker(Email, { handler });
      await call(1);

      await Promise.all([worker.stop({ timeoutMs: NEVER_MS }), worker.stop({ timeoutMs: 10 })]);

      expect(await nativeOf(Email).countDocuments({ state: State.CREATED })).toBe(1);
    });

    it('can be called by a listener and by a handler', async () => {
      await Email.push([{ to: 'a' }, { to: 'b' }]);
      const worker = makeWorker(Email, { handler: () => void worker.stop() });
      worker.on('finished', () => void worker.stop());
      const stopped = nextEvent(worker, 'stopped');
      await worker.start();
      await stopped;

      expect(await nativeOf(Email).countDocuments({ state: State.CREATED })).toBe(1);
    });

    it.each([[{ timeoutMs: -1 }], [{ timeoutMs: 1.5 }], [{ timeoutMs: 2 ** 31 }], [{ timeout: 5 }], [null]])(
      'refuses %p, and goes on working',
      async (options) => {
        const worker = await startWorker(Email, { handler: () => {} });

        await expect(worker.stop(options as never)).rejects.toBeInstanceOf(InvalidOptionError);

        await Email.push({ to: 'ada' });
        await nextEvent(worker, 'finished');
      },
    );
  });

  describe('a worker that was stopped', () => {
    it('can be started again', async () => {
      const worker = await startWorker(Email, { handler: () => {} });
      await worker.stop();
      await Email.push({ to: 'ada' });
      const finished = nextEvent(worker, 'finished');

      await worker.start();

      await finished;
    });

    it('and is started before it has ended, ends first and then works again', async () => {
      await Email.push([{ to: 'a' }, { to: 'b' }]);
      const { handler, call } = heldHandler<Email>();
      const worker = await startWorker(Email, { handler });
      const { end } = await call(1);
      const events = recordEvents(worker);
      const stopping = worker.stop();
      let isStarted = false;
      const starting = worker.start().then(() => (isStarted = true));
      for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
      expect(isStarted).toBe(false);
      end.resolve();
      await Promise.all([stopping, starting]);

      (await call(2)).end.resolve();
      await nextEvent(worker, 'finished');

      expect(events.map(([name]) => name)).toEqual(['finished', 'stopped', 'started', 'finished']);
    });

    it('and started, and stopped before it began again, is stopped', async () => {
      await Email.push([{ to: 'a' }, { to: 'b' }]);
      const { handler, call, calls } = heldHandler<Email>();
      const worker = await startWorker(Email, { handler });
      const { end } = await call(1);
      const all = [worker.stop(), worker.start(), worker.stop()];
      end.resolve();
      await Promise.all(all);

      await new Promise(setImmediate);
      expect(calls).toHaveLength(1);
      expect(await nativeOf(Email).countDocuments({ state: State.RUNNING })).toBe(0);
    });

    it('is as the last call says, in whatever order it was started and stopped', async () => {
      const call = fc.record({ starts: fc.boolean(), waits: fc.boolean() });
      await fc.assert(
        fc.asyncProperty(fc.array(call, { maxLength: 12 }), fc.boolean(), async (calls, startsLast) => {
          const worker = makeWorker(Email, { handler: () => {} });
          for (const { starts, waits } of calls) {
            void (starts ? worker.start() : worker.stop());
            if (waits) await new Promise(setImmediate);
          }
          await (startsLast ? worker.start() : worker.stop());
          await Email.push({ to: 'ada' });

          if (startsLast) await nextEvent(worker, 'finished');
          else await Email.pop().then((email) => email!.finish());
          await worker.stop();
        }),
        { numRuns: 30 },
      );
    });
  });

  describe('with `handleSignals`', () => {
    // In this process, so by the event that a signal is: who listens would be asked all the same.
    it.each(['SIGTERM', 'SIGINT'] as const)('%s stops it, with its `stopTimeoutMs`', async (signal) => {
      await Email.push({ to: 'ada' });
      const { handler, call } = heldHandler<Email>();
      const worker = await startWorker(Email, { handler, handleSignals: true, stopTimeoutMs: 10 });
      await call(1);
      const released = nextEvent(worker, 'released');
      const stopped = nextEvent(worker, 'stopped');

      process.emit(signal);

      await Promise.all([released, stopped]);
    });

    it('does not listen to signals before its start and after its end', async () => {
      const before = listeners();
      const worker = makeWorker(Email, { handler: () => {}, handleSignals: true });
      expect(listeners()).toEqual(before);
      await worker.start();
      expect(listeners()).toEqual(before.map((count) => count + 1));

      await worker.stop();

      expect(listeners()).toEqual(before);
    });

    it('is off unless it is asked for', async () => {
      const before = listeners();

      await startWorker(Email, { handler: () => {} });

      expect(listeners()).toEqual(before);
    });
  });

  describe.each(['standalone', 'replicaSet'] as const)(`${ROUNDS} times, on a %s`, (kind) => {
    const { uri } = useDatabase(kind);

    it(
      'leaks no timer, no listener and no connection',
      async () => {
        const connection = await openConnection(uri, { maxPoolSize: 5 });
        const Letter = connection.model('Email', Email.schema) as unknown as typeof Email;
        const worker = makeWorker(Letter, {
          handler: () => {},
          concurrency: 4,
          handleSignals: true,
          timeoutMs: NEVER_MS,
        });
        await startAndStop(worker, Letter, 30);
        const { timers, ...before } = held(connection);

        await startAndStop(worker, Letter, ROUNDS);

        // A timer of the first rounds may have run out meanwhile.
        await eventually(() => {
          const { timers: left, ...now } = held(connection);
          expect(now).toEqual(before);
          expect(left).toBeLessThanOrEqual(timers);
        });
        expect(await nativeOf(Letter).countDocuments({ state: State.RUNNING })).toBe(0);
      },
      240_000 + ROUNDS * 30,
    );
  });

  /** Now with a task, now until it is idle, now without time to do anything. */
  async function startAndStop(worker: Worker<Email>, Letter: typeof Email, times: number): Promise<void> {
    for (let round = 0; round < times; round++) {
      if (round % 10 === 0) await Letter.push({ to: 'ada' });
      const idle = round % 3 === 0 ? nextEvent(worker, 'idle') : null;
      const starting = worker.start();
      if (round % 3 < 2) await starting;
      await idle;
      await worker.stop();
      await starting;
    }
  }

  function held(connection: Connection) {
    const client = connection.getClient() as unknown as NodeJS.EventEmitter;
    const resources = process.getActiveResourcesInfo();

    return {
      timers: resources.filter((name) => name === 'Timeout').length,
      // Those of the specs before are closed one by one, and the driver keeps some: their number only may not grow with the rounds.
      hasManySockets: resources.filter((name) => name === 'TCPSocketWrap').length > 30,
      arrivals: mockListeners,
      listeners: [process, client, connection].flatMap((emitter) =>
        emitter.eventNames().map((name) => `${String(name)} ${emitter.listenerCount(name)}`),
      ),
    };
  }
});

function listeners(): number[] {
  return (['SIGTERM', 'SIGINT'] as const).map((signal) => process.listenerCount(signal));
}
