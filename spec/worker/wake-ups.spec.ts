import { mongo, Schema, type Connection, type Types } from 'mongoose';
import { constant, taskQueue } from 'mongoose-task-queue';
import { openConnection } from '../support/connections';
import { useDatabase, type Database } from '../support/database';
import { deferred } from '../support/deferred';
import { eventually } from '../support/eventually';
import { nativeOf } from '../support/raw';
import { bringToRest } from '../support/rest';
import { makeWorker, startWorker } from '../support/worker';

jest.mock('../../lib/timers', () => jest.requireActual<object>('../support/fakeable-timers'));

const NEVER_MS = 2 ** 31 - 1;

function makeModels(connection: Connection) {
  const Source = connection.model('Source', taskQueue(new Schema({ path: String })));
  const Build = connection.model(
    'Build',
    taskQueue(
      new Schema({
        name: String,
        source: { type: Schema.Types.ObjectId, ref: 'Source', dependsOn: 'DIRECT' as const },
      }),
      { backoff: constant(30) },
    ),
  );

  return { Source, Build };
}
type Models = ReturnType<typeof makeModels>;
type Build = InstanceType<Models['Build']>;

describe('an idle consumer that no poll will wake', () => {
  const standalone = useDatabase();
  const replicaSet = useDatabase('replicaSet');
  let mine: Models;
  const queues: AsyncGenerator<Build>[] = [];

  afterEach(async () => {
    for (const queue of queues.splice(0)) await queue.return(undefined);
    jest.restoreAllMocks();
  });

  /** A connection of its own for each test: a stream that another test has left open would change what is seen. */
  async function connect(database: Database): Promise<Models> {
    const connection = await openConnection(database.uri);
    const models = makeModels(connection);
    for (const model of [models.Source, models.Build]) await nativeOf(model).deleteMany({});
    await Promise.all([models.Source.isEmpty(), models.Build.isEmpty()]);
    return models;
  }

  /** A consumer at rest. The promise is of the next task that it is given; in an object, or it would be awaited here. */
  async function rest(kind: 'queue' | 'worker', { Build }: Models): Promise<{ promise: Promise<Build> }> {
    const { promise, resolve } = deferred<Build>();
    await bringToRest(1, () => {
      if (kind === 'worker') return startWorker(Build, { pollMs: NEVER_MS, handler: resolve });
      const queue = Build.queue({ pollMs: NEVER_MS });
      queues.push(queue);
      void queue.next().then(({ value }) => value && resolve(value));
      return null;
    });

    return { promise };
  }

  describe.each(['queue', 'worker'] as const)('(a %s)', (kind) => {
    describe('is woken in its own process by a task that', () => {
      beforeEach(async () => {
        mine = await connect(standalone);
      });

      it('is pushed', async () => {
        const { promise } = await rest(kind, mine);

        await mine.Build.push({ name: 'pushed' });

        expect((await promise).name).toBe('pushed');
      });

      it('is pushed with many', async () => {
        const { promise } = await rest(kind, mine);

        await mine.Build.push([{ name: 'first' }, { name: 'second' }]);

        expect((await promise).name).toBe('first');
      });

      it('is pushed again after it ended', async () => {
        const build = await mine.Build.push({ name: 'again' });
        await build.finish();
        const { promise } = await rest(kind, mine);

        await build.push();

        expect((await promise).name).toBe('again');
      });

      it('is released', async () => {
        await mine.Build.push({ name: 'released' });
        const held = await mine.Build.pop();
        const { promise } = await rest(kind, mine);

        await held!.release();

        expect((await promise).name).toBe('released');
      });

      it.each<[string, (models: Models) => Promise<unknown>]>([
        ['of its delay', ({ Build }) => Build.push({ name: 'due' }, { delayMs: 40 })],
        ['of its `runAt`', ({ Build }) => Build.push({ name: 'due' }, { runAt: new Date(Date.now() + 40) })],
      ])('becomes due because %s', async (_, push) => {
        const { promise } = await rest(kind, mine);

        await push(mine);

        expect((await promise).name).toBe('due');
      });

      it('becomes due after a retry', async () => {
        await mine.Build.push({ name: 'retried' });
        const held = await mine.Build.pop();
        const { promise } = await rest(kind, mine);

        await held!.retry();

        expect((await promise).attempts).toBe(2);
      });

      it('becomes due at its next slot', async () => {
        await mine.Build.push({ name: 'recurring' }, { every: 50, key: 'recurring' });
        const run = await mine.Build.pop();
        const { promise } = await rest(kind, mine);

        await run!.finish();

        expect((await promise).name).toBe('recurring');
      });

      it('had its last dependency finished', async () => {
        const source = await mine.Source.push({ path: '/' });
        await mine.Build.push({ name: 'built', source: source._id });
        const { promise } = await rest(kind, mine);

        await source.finish();

        expect((await promise).name).toBe('built');
      });
    });

    // By raw writes: what this process does with a model it knows of itself.
    describe('on a replica set is woken by another process whose', () => {
      let theirs: Models;
      beforeEach(async () => {
        mine = await connect(replicaSet);
        theirs = makeModels(await openConnection(replicaSet.uri));
        await theirs.Build.isEmpty();
      });

      /** The stream tells of what comes after it was opened, which the server does at some moment after the rest began. */
      const written = async (promise: Promise<Build>, write: () => Promise<unknown>) => {
        let isOver = false;
        void promise.then(() => (isOver = true));
        await eventually(async () => {
          if (!isOver) await write();
          expect(isOver).toBe(true);
        });
        return promise;
      };

      it('task is pushed', async () => {
        const { promise } = await rest(kind, mine);

        const build = await written(promise, () =>
          nativeOf(theirs.Build).insertOne({ state: 'CREATED', name: 'pushed' }),
        );

        expect(build.name).toBe('pushed');
      });

      it('task is put back', async () => {
        const { insertedId: _id } = await nativeOf(theirs.Build).insertOne({ name: 'raw', state: 'FAILED' });
        const { promise } = await rest(kind, mine);

        const build = await written(promise, async () => {
          for (const state of ['FAILED', 'CREATED'])
            await nativeOf(theirs.Build).updateOne({ _id, state: { $ne: 'RUNNING' } }, { $set: { state } });
        });

        expect(build.name).toBe('raw');
      });

      it('task was the last dependency and is finished', async () => {
        const source = await theirs.Source.push({ path: '/' });
        await theirs.Build.push({ name: 'built', source: source._id });
        const { promise } = await rest(kind, mine);

        const build = await written(promise, async () => {
          for (const state of ['CREATED', 'FINISHED'])
            await nativeOf(theirs.Source).updateOne({ _id: source._id }, { $set: { state } });
        });

        expect(build.name).toBe('built');
      });

      it('transaction with a push in it was committed', async () => {
        const { promise } = await rest(kind, mine);

        const build = await written(promise, () =>
          theirs.Build.db.transaction(async (session) => {
            await nativeOf(theirs.Build).insertOne({ state: 'CREATED', name: 'committed' }, { session });
          }),
        );

        expect(build.name).toBe('committed');
      });
    });

    it('is woken by a transaction of its own process when that was committed, and not before', async () => {
      mine = await connect(replicaSet);
      const { promise } = await rest(kind, mine);
      const looks = jest.spyOn(mine.Build.db.db!, 'command');
      const claims = jest.spyOn(nativeOf(mine.Build), 'findOneAndUpdate');
      const before = () => looks.mock.calls.length + claims.mock.calls.length;

      await mine.Build.db.transaction(async (session) => {
        await mine.Build.push({ name: 'committed' }, { session });
        await new Promise(setImmediate);
        expect(before()).toBe(0);
      });

      expect((await promise).name).toBe('committed');
    });
  });

  it('starts all that came at once, up to its concurrency', async () => {
    mine = await connect(standalone);
    const started: (string | null | undefined)[] = [];
    await bringToRest(1, () =>
      startWorker(mine.Build, { pollMs: NEVER_MS, concurrency: 3, handler: ({ name }) => void started.push(name) }),
    );

    await mine.Build.push(['a', 'b', 'c', 'd', 'e'].map((name) => ({ name })));

    await eventually(() => expect(started.toSorted()).toEqual(['a', 'b', 'c', 'd', 'e']));
  });

  it('wakes for each of the models of a worker', async () => {
    mine = await connect(standalone);
    const started: string[] = [];
    await bringToRest(1, () =>
      startWorker<{ _id: Types.ObjectId }>([mine.Build, mine.Source], {
        pollMs: NEVER_MS,
        handler: (task) => void started.push(String(task._id)),
      }),
    );

    const source = await mine.Source.push({ path: '/' });

    await eventually(() => expect(started).toEqual([String(source._id)]));
  });
});

describe('an idle consumer that polls', () => {
  const standalone = useDatabase();
  const replicaSet = useDatabase('replicaSet');

  afterEach(() => jest.restoreAllMocks());

  async function models(database: Database): Promise<Models> {
    const made = makeModels(await openConnection(database.uri));
    await nativeOf(made.Build).deleteMany({});
    return made;
  }

  async function findsWhatOthersPush(database: Database, options: { changeStreams?: boolean } = {}): Promise<void> {
    const [mine, theirs] = [await models(database), await models(database)];
    const { promise, resolve } = deferred<Build>();
    await startWorker(mine.Build, { pollMs: 20, handler: resolve, ...options });

    await theirs.Build.push({ name: 'pushed' });

    expect((await promise).name).toBe('pushed');
  }

  it('finds what other processes push, on a standalone', () => findsWhatOthersPush(standalone));

  it('finds it without a change stream where they are switched off', async () => {
    const watched = jest.spyOn(mongo.Db.prototype, 'watch');

    await findsWhatOthersPush(replicaSet, { changeStreams: false });

    expect(watched).not.toHaveBeenCalled();
  });

  it('finds it when the change stream fails, and says so once', async () => {
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    jest.spyOn(mongo.Db.prototype, 'watch').mockImplementation(() => {
      throw new Error('not authorized to watch');
    });

    await findsWhatOthersPush(replicaSet);

    await eventually(() =>
      expect(warned.mock.calls.map(([message]) => String(message))).toEqual([
        expect.stringMatching(/change stream on .* failed, so idle queues poll: not authorized to watch/),
      ]),
    );
  });

  it('needs its change stream no longer once it is stopped', async () => {
    const mine = await models(replicaSet);
    const worker = makeWorker(mine.Build, { pollMs: NEVER_MS, handler: () => {} });
    await bringToRest(1, () => worker.start());
    const started = jest.spyOn(globalThis, 'setTimeout');

    await worker.stop();

    // The time after which a stream is closed that nobody needs.
    expect(started.mock.calls.map(([, ms]) => ms)).toContain(10_000);
  });

  it('says nothing when its connection is closed while it waits', async () => {
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const mine = await models(replicaSet);
    const worker = makeWorker(mine.Build, { pollMs: NEVER_MS, handler: () => {} });
    await bringToRest(1, () => worker.start());

    await worker.stop();
    await mine.Build.db.close();
    await new Promise(setImmediate);

    expect(warned).not.toHaveBeenCalled();
  });
});
