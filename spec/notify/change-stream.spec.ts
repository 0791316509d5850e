import { EventEmitter } from 'node:events';
import { mongo, Schema, type Connection } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import type { AnyModel } from '../../lib/definition/definition';
import { onArrival } from '../../lib/notify/arrivals';
import { watchChanges } from '../../lib/notify/watch';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { nativeOf } from '../support/raw';

jest.mock('../../lib/timers', () => jest.requireActual<object>('../support/fakeable-timers'));

const LINGER_MS = 10_000;
const RETRY_MS = 30_000;

describe('the change stream of a database', () => {
  const database = useDatabase('replicaSet');
  const standalone = useDatabase();
  const stops: (() => void)[] = [];
  let connection: Connection;
  let Letter: ReturnType<typeof makeLetter>;
  /** The same, on another client. */
  let Elsewhere: ReturnType<typeof makeLetter>;

  /** A model on the connection of the test. */
  const named = (name: string) =>
    (connection.models[name] ?? connection.model(name, taskQueue(new Schema({})))) as unknown as typeof Letter;
  const makeLetter = ({ connection: one }: { connection: Connection }) =>
    one.model('Letter', taskQueue(new Schema({ to: String })));

  beforeAll(() => {
    Elsewhere = makeLetter(database);
  });
  // Each test has a client of its own, and so no stream of the test before.
  beforeEach(async () => {
    connection = await openConnection(database.uri);
    Letter = makeLetter({ connection });
    await Letter.isEmpty();
  });
  afterEach(async () => {
    for (const stop of stops.splice(0)) stop();
    jest.restoreAllMocks();
    await connection.destroy();
  });

  const asModel = (model: unknown) => model as AnyModel;

  async function watch(...models: unknown[]): Promise<() => void> {
    return watchAs(true, ...models);
  }

  async function watchAs(isAwaited: boolean, ...models: unknown[]): Promise<() => void> {
    const stop = await watchChanges(models.map((model) => ({ model: asModel(model), isAwaited })));
    stops.push(stop);
    return stop;
  }

  /** Opened since, closed ones left out. */
  function recordStreams() {
    const opened = jest.spyOn(mongo.Db.prototype, 'watch');
    const streams = () => opened.mock.results.map(({ value }) => value as mongo.ChangeStream);

    return { opened: () => opened.mock.calls.length, open: () => streams().filter(({ closed }) => !closed).length };
  }

  function listen(model: unknown): () => number {
    let heard = 0;
    onArrival(asModel(model), () => heard++);
    return () => heard;
  }

  /** Resolves when the stream delivers: before, nobody is told. */
  async function delivering(model: typeof Letter): Promise<void> {
    const heard = listen(model);
    await eventually(async () => {
      await nativeOf(model).insertOne({ probe: true });
      expect(heard()).toBeGreaterThan(0);
    });
  }

  const elsewhere = () => nativeOf(Elsewhere);

  // By raw writes: what this process does with a model it knows of itself.
  describe('tells those who are idle of', () => {
    let heard: () => number;
    let barriers: () => number;

    // By another collection, so that no probe is taken for what a test does.
    beforeEach(async () => {
      const [Probe, Barrier] = [named('Probe'), named('Barrier')];
      await watch(Letter, Probe, Barrier);
      await delivering(Probe);
      await elsewhere().insertOne({ state: 'PENDING', probe: true });
      barriers = listen(Barrier);
      await quiet();
      heard = listen(Letter);
    });

    it.each<[string, () => Promise<unknown>]>([
      ['a task that is inserted', () => elsewhere().insertOne({ state: 'CREATED' })],
      ['many that are inserted', () => elsewhere().insertMany([{ state: 'CREATED' }, { state: 'CREATED' }])],
      ['one that is put back', () => elsewhere().updateOne({ probe: true }, { $set: { state: 'CREATED' } })],
      [
        'one that ends, for which others wait',
        () => elsewhere().updateOne({ probe: true }, { $set: { state: 'FINISHED' } }),
      ],
      ['one that is replaced', () => elsewhere().replaceOne({ probe: true }, { state: 'CREATED' })],
    ])('%s by another client', async (_, write) => {
      await write();

      await eventually(() => expect(heard()).toBeGreaterThan(0));
    });

    it('nothing that they cannot work on: claims and deletions', async () => {
      await elsewhere().deleteMany({});
      await Elsewhere.push([{ to: 'ada' }, { to: 'grace' }, { to: 'edsger' }]);
      await quiet();
      const before = heard();

      await Elsewhere.pop();
      await Elsewhere.popMany(2);
      await elsewhere().deleteMany({ state: 'RUNNING' });
      await quiet();

      expect(heard()).toBe(before);
    });

    it('nothing that concerns its holder alone: renewals, progress, requests to cancel it, and ends for which nobody waits', async () => {
      const Own = named('Own');
      await watchAs(false, Own);
      await delivering(named('Probe'));
      const own = database.connection.collection(Own.collection.name);
      const { _id } = await Own.push({});
      await own.updateOne({ _id }, { $set: { state: 'RUNNING', '_task.token': _id, '_task.claims': 1 } });
      await quiet();
      const heardOfOwn = listen(Own);

      await own.updateOne({ _id }, [{ $set: { '_task.availableAt': '$$NOW' } }]);
      await own.updateOne({ _id }, [{ $set: { '_task.availableAt': new Date(), '_task.progress': 0.5 } }]);
      await own.updateOne({ _id }, { $set: { '_task.availableAt': new Date(Date.now() + 3_600_000) } });
      expect(await Own.cancel({ _id }, { reason: 'enough' })).toEqual({ cancelled: 0, cancelling: 1 });
      await own.updateOne({ _id }, { $set: { state: 'FINISHED', '_task.settledAt': new Date() } });
      await quiet();
      expect(heardOfOwn()).toBe(0);

      await own.updateOne({ _id }, { $set: { state: 'CREATED' } });
      await quiet();
      expect(heardOfOwn()).toBe(1);
    });

    it('a task that is woken by another client', async () => {
      const waiting = { state: 'CREATED', _task: { availableAt: new Date('9999-12-31'), waitingOn: [1] } };
      const { insertedId } = await elsewhere().insertOne(waiting);
      await quiet();
      const before = heard();

      const woken = { $set: { '_task.availableAt': new Date() }, $unset: { '_task.waitingOn': 1 as const } };
      await elsewhere().updateOne({ _id: insertedId }, woken);
      await quiet();

      expect(heard()).toBe(before + 1);
    });

    it('changes to their own collections only', async () => {
      await nativeOf(named('Probe')).insertOne({ state: 'CREATED' });
      await quiet();

      expect(heard()).toBe(0);
    });

    /** Resolves when all that was written before has been told: a stream tells in order. */
    async function quiet(): Promise<void> {
      const before = barriers();
      await nativeOf(named('Barrier')).insertOne({});
      await eventually(() => expect(barriers()).toBe(before + 1));
    }
  });

  describe('is one', () => {
    it('for all who are idle in a process', async () => {
      const { opened, open } = recordStreams();

      await Promise.all(Array.from({ length: 20 }, () => watch(Letter)));

      expect([opened(), open()]).toEqual([1, 1]);
    });

    it('for all models of a database: it is opened anew where it has to tell of more', async () => {
      const Other = named('Other');
      const { open } = recordStreams();

      await watch(Letter);
      await watch(Letter, Other);

      expect(open()).toBe(1);
      await delivering(Letter);
      await delivering(Other);
    });

    it('for each database', async () => {
      const other = connection.useDb(`${connection.name}_two`);
      const Theirs = makeLetter({ connection: other });
      const { open } = recordStreams();

      await watch(Letter, Theirs);

      expect(open()).toBe(2);
      await Promise.all([delivering(Letter), delivering(Theirs)]);
      await other.dropDatabase();
    });
  });

  describe('is open', () => {
    it('only from when somebody is idle', async () => {
      const { opened } = recordStreams();

      await Letter.push({ to: 'ada' });
      await (await Letter.pop())!.finish();
      await Letter.pop();

      expect(opened()).toBe(0);
    });

    it('until a while after the last one went back to work', async () => {
      const { open } = recordStreams();
      const passed = recordTimers(LINGER_MS);
      const [one, other] = [await watch(Letter), await watch(Letter)];

      one();
      expect(passed.count()).toBe(0);
      other();
      expect([passed.count(), open()]).toEqual([1, 1]);
      passed.ring();

      await eventually(() => expect(open()).toBe(0));
    });

    it('on, when somebody is idle again before that', async () => {
      const { opened, open } = recordStreams();
      const cleared = jest.spyOn(globalThis, 'clearTimeout');
      const passed = recordTimers(LINGER_MS);
      (await watch(Letter))();

      await watch(Letter);

      expect(cleared.mock.calls.flat()).toContain(passed.last());
      expect([opened(), open()]).toEqual([1, 1]);
    });

    it('without keeping the process awake while nobody is idle', async () => {
      const passed = recordTimers(LINGER_MS);

      (await watch(Letter))();

      expect((passed.last() as NodeJS.Timeout).hasRef()).toBe(false);
    });

    it('again when somebody becomes idle after it was closed', async () => {
      const { opened } = recordStreams();
      const passed = recordTimers(LINGER_MS);
      (await watch(Letter))();
      passed.ring();

      await watch(Letter);

      expect(opened()).toBe(2);
      await delivering(Letter);
    });
  });

  it('is not there on a standalone server', async () => {
    const Theirs = makeLetter(standalone);
    await Theirs.isEmpty();
    const { opened } = recordStreams();

    await watch(Theirs);

    expect(opened()).toBe(0);
  });

  describe('that fails', () => {
    const failure = new Error('not authorized to watch');

    it.each<[string, () => void]>([
      [
        'at once',
        () => {
          jest.spyOn(mongo.Db.prototype, 'watch').mockImplementationOnce(() => {
            throw failure;
          });
        },
      ],
      [
        'later',
        () => {
          const stream = Object.assign(new EventEmitter(), { close: () => Promise.resolve() });
          jest.spyOn(mongo.Db.prototype, 'watch').mockReturnValueOnce(stream as never);
          setImmediate(() => stream.emit('error', failure));
        },
      ],
    ])('%s says so once, and is tried again after a while', async (_, fail) => {
      const warnings = recordWarnings();
      const passed = recordTimers(RETRY_MS);
      const { opened } = recordStreams();
      fail();
      await watch(Letter);
      await eventually(() => expect(warnings()).toEqual([expect.stringContaining(failure.message)]));
      await watch(Letter);
      expect(opened()).toBe(1);

      fail();
      passed.ring();
      await new Promise(setImmediate);
      await new Promise(setImmediate);
      passed.ring();

      await delivering(Letter);
      expect(warnings()).toHaveLength(1);
    });

    it('is not tried again when nobody is idle any more', async () => {
      recordWarnings();
      const passed = recordTimers(RETRY_MS);
      const { opened } = recordStreams();
      jest.spyOn(mongo.Db.prototype, 'watch').mockImplementationOnce(() => {
        throw failure;
      });
      const stop = await watch(Letter);
      stop();

      passed.ring();

      expect(opened()).toBe(1);
    });

    it('because its database was dropped is opened again', async () => {
      const dropped = connection.useDb(`${connection.name}_dropped`);
      const Theirs = makeLetter({ connection: dropped });
      await Theirs.isEmpty();
      await watch(Theirs);
      await delivering(Theirs);

      await dropped.dropDatabase();

      await delivering(Theirs);
      await dropped.dropDatabase();
    });
  });

  it.each([
    ['close', () => connection.close()],
    ['destroy', () => connection.destroy()],
    ['close of the client', () => connection.getClient().close()],
  ])('says nothing when the application closes its connection, by %s', async (_, close) => {
    const warnings = recordWarnings();
    const unhandled = jest.fn();
    process.on('unhandledRejection', unhandled);
    await watch(Letter);
    await delivering(Letter);

    await close();
    await new Promise(setImmediate);

    expect([warnings(), unhandled.mock.calls]).toEqual([[], []]);
    process.off('unhandledRejection', unhandled);
  });

  /** Timers of that length that were started since; the spec lets their time be over. */
  function recordTimers(ms: number) {
    const started = jest.spyOn(globalThis, 'setTimeout');
    const indexes = () => started.mock.calls.flatMap(([, wait], index) => (wait === ms ? [index] : []));
    const last = () => indexes().at(-1)!;

    return {
      count: () => indexes().length,
      last: () => started.mock.results[last()]!.value as unknown,
      ring() {
        clearTimeout(started.mock.results[last()]!.value as NodeJS.Timeout);
        (started.mock.calls[last()]![0] as () => void)();
      },
    };
  }

  function recordWarnings(): () => string[] {
    const emitted = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});

    return () => emitted.mock.calls.map(([message]) => String(message));
  }
});
