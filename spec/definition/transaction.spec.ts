import { mongo, Mongoose, Schema, type ClientSession, type Connection, type Document } from 'mongoose';
import { LeaseLostError, State, taskQueue } from 'mongoose-task-queue';
import { onArrival } from '../../lib/notify/arrivals';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { popSoon } from '../support/pop-soon';
import { endLease, nativeOf, stored } from '../support/raw';
import { seen } from '../support/seen';

type Work = (session: ClientSession) => Promise<unknown>;

const withConnection = (connection: Connection, work: Work) => connection.transaction(work);
const withSession = async (connection: Connection, work: Work) => {
  const session = await connection.startSession();
  try {
    await session.withTransaction(work);
  } finally {
    await session.endSession();
  }
};

/** Makes the driver run the callback of a transaction again. */
function transient(): mongo.MongoError {
  const error = new mongo.MongoServerError({ message: 'try again' });
  error.addErrorLabel('TransientTransactionError');

  return error;
}

/** Fails the first time it runs, after its work is done. */
function onceMore(work: Work): { work: Work; runs: () => number } {
  let runs = 0;

  return {
    async work(session) {
      await work(session);
      if (++runs === 1) throw transient();
    },
    runs: () => runs,
  };
}

/** What a handle must be again after a transaction that was not committed. */
function facts(task: Document): Record<string, unknown> {
  return { ...seen(task), modified: task.directModifiedPaths().sort(), isChanged: task.isModified() };
}

describe.each([
  ['connection.transaction()', withConnection],
  ['session.withTransaction()', withSession],
])('under %s', (_name, transact) => {
  const database = useDatabase('replicaSet');
  const fields = { to: String, size: Number, copies: [String], parts: [{ name: String }] };
  const makePlain = () => database.connection.model('Plain', taskQueue(new Schema({ to: String, size: Number })));
  const makeRich = () => database.connection.model('Rich', taskQueue(new Schema(fields, { timestamps: true })));
  const makeHooked = () => {
    const schema = new Schema(fields);
    schema.pre('save', () => {});
    return database.connection.model('Hooked', taskQueue(schema));
  };
  type Task = ReturnType<typeof makeRich>;
  const models = {} as Record<'plain' | 'rich' | 'hooked', Task>;
  const kinds = ['plain', 'rich', 'hooked'] as const;

  beforeAll(async () => {
    Object.assign(models, { plain: makePlain(), rich: makeRich(), hooked: makeHooked() });
    for (const Model of Object.values(models)) await Model.ensureTaskIndexes();
  });

  beforeEach(async () => {
    for (const Model of Object.values(models)) await Model.deleteMany({});
  });

  const popped = async (Model: Task) => {
    await Model.push({ to: 'ada@example.org', copies: ['a'], parts: [{ name: 'one' }] });
    return (await Model.pop())!;
  };
  const committed = (work: Work) => transact(database.connection, work);
  const aborted = (work: Work) =>
    transact(database.connection, async (session) => {
      await work(session);
      throw new Error('on second thought');
    });

  describe.each(kinds)('a task (%s)', (kind) => {
    it('is pushed once when the callback runs twice', async () => {
      const Model = models[kind];
      const task = new Model({ to: 'ada@example.org', copies: ['a'] });
      const { work, runs } = onceMore((session) => task.push({ session }));

      await committed(work);

      expect(runs()).toBe(2);
      expect(seen(task)).toMatchObject({ isNew: false, state: State.CREATED });
      expect(task.directModifiedPaths()).toEqual([]);
      expect((await Model.popMany(5)).map(({ id }) => id as string)).toEqual([task.id]);
    });

    it('is pushed once among many when the callback runs twice', async () => {
      const Model = models[kind];
      const tasks = ['a', 'b', 'c'].map((to) => new Model({ to, copies: ['a'] }));
      const { work } = onceMore((session) => Model.push(tasks, { session }));

      await committed(work);

      expect(tasks.map(({ isNew, state }) => [isNew, state])).toEqual(Array(3).fill([false, State.CREATED]));
      expect((await Model.popMany(5)).map(({ to }) => to)).toEqual(['a', 'b', 'c']);
    });

    it('that was saved is pushed once with its changes when the callback runs twice', async () => {
      const Model = models[kind];
      const task = await new Model({ to: 'ada@example.org' }).save();
      task.size = 3;
      const { work } = onceMore((session) => task.push({ session }));

      await committed(work);

      expect(seen(await Model.pop())).toMatchObject({ id: task.id, size: 3, attempts: 1 });
      expect(task.directModifiedPaths()).toEqual([]);
    });

    it('is finished once when the callback runs twice', async () => {
      const task = await popped(models[kind]);
      const { work } = onceMore((session) => task.finish({ session }));

      await committed(work);

      expect(seen(task)).toMatchObject({ state: State.FINISHED, lease: null });
      expect((await stored(models[kind], task._id))['state']).toBe('FINISHED');
    });

    it('is finished with its changes once when the callback runs twice', async () => {
      const task = await popped(models[kind]);
      task.size = 3;
      const { work } = onceMore((session) => task.finish({ session }));

      await committed(work);

      expect(await stored(models[kind], task._id)).toMatchObject({ state: 'FINISHED', size: 3 });
      expect(seen(task)).toMatchObject({ state: State.FINISHED, lease: null, size: 3 });
      expect(task.directModifiedPaths()).toEqual([]);
    });

    it('that was pushed is as before when the transaction is aborted, and can be pushed again', async () => {
      const Model = models[kind];
      const task = new Model({ to: 'ada@example.org', copies: ['a'] });
      const before = facts(task);

      await expect(aborted((session) => task.push({ session }))).rejects.toThrow('on second thought');

      expect(facts(task)).toEqual(before);
      expect(await Model.countDocuments()).toBe(0);
      await task.push();
      expect(seen(await Model.pop())).toMatchObject({ id: task.id, to: 'ada@example.org' });
    });

    it('is as before among many when the transaction is aborted', async () => {
      const Model = models[kind];
      const tasks = ['a', 'b'].map((to) => new Model({ to }));
      const before = tasks.map(facts);

      await expect(aborted((session) => Model.push(tasks, { session }))).rejects.toThrow('on second thought');

      expect(tasks.map(facts)).toEqual(before);
      await Model.push(tasks);
      expect((await Model.popMany(5)).map(({ to }) => to)).toEqual(['a', 'b']);
    });

    it('that was saved is as before when the transaction is aborted, and can be pushed again', async () => {
      const Model = models[kind];
      const task = await new Model({ to: 'ada@example.org' }).save();
      task.size = 3;
      const before = facts(task);

      await expect(aborted((session) => task.push({ session }))).rejects.toThrow('on second thought');

      expect(facts(task)).toEqual(before);
      expect(await stored(Model, task._id)).toMatchObject({ state: 'PENDING' });
      await task.push();
      expect(seen(await Model.pop())).toMatchObject({ size: 3 });
    });

    it.each(['finish', 'fail', 'retry', 'release'] as const)(
      'is held as before when the transaction of its `%s()` is aborted, and can be settled again',
      async (verb) => {
        const task = await popped(models[kind]);
        task.size = 3;
        const before = facts(task);

        const settle = (session: ClientSession) =>
          verb === 'fail' ? task.fail(new Error('full'), { session }) : task[verb]({ session });
        await expect(aborted(settle)).rejects.toThrow('on second thought');

        expect(facts(task)).toEqual(before);
        expect(task.lease).not.toBeNull();
        const raw = await stored(models[kind], task._id);
        expect(raw).toMatchObject({ state: 'RUNNING' });
        expect(raw).not.toHaveProperty('size');
        await task.finish();
        expect(await stored(models[kind], task._id)).toMatchObject({ state: 'FINISHED', size: 3 });
      },
    );

    it('without changes is held as before when the transaction is aborted', async () => {
      const task = await popped(models[kind]);
      const before = facts(task);

      await expect(aborted((session) => task.finish({ session }))).rejects.toThrow('on second thought');

      expect(facts(task)).toEqual(before);
      await task.renew();
      await task.finish();
      expect(await stored(models[kind], task._id)).toMatchObject({ state: 'FINISHED' });
    });
  });

  describe.each(['rich', 'hooked'] as const)('elements of arrays (%s)', (kind) => {
    it('are added once when the callback runs twice', async () => {
      const task = await popped(models[kind]);
      task.copies.push('b');
      task.parts.push({ name: 'two' });
      const { work } = onceMore((session) => task.finish({ session }));

      await committed(work);

      expect(await stored(models[kind], task._id)).toMatchObject({
        state: 'FINISHED',
        copies: ['a', 'b'],
        parts: [{ name: 'one' }, { name: 'two' }],
      });
    });

    it('are added once after an abort', async () => {
      const task = await popped(models[kind]);
      task.copies.push('b');
      task.parts.push({ name: 'two' });
      task.parts[0]!.name = 'first';
      await expect(aborted((session) => task.finish({ session }))).rejects.toThrow('on second thought');

      await task.finish();

      expect(await stored(models[kind], task._id)).toMatchObject({
        copies: ['a', 'b'],
        parts: [{ name: 'first' }, { name: 'two' }],
      });
    });

    it('are written once, with the version, when an array is replaced and the callback runs twice', async () => {
      const task = await popped(models[kind]);
      task.set('copies', ['c']);
      const { work } = onceMore((session) => task.finish({ session }));

      await committed(work);

      expect(await stored(models[kind], task._id)).toMatchObject({ copies: ['c'], __v: 1 });
      expect(task.get('__v')).toBe(1);
    });
  });

  it('sees nothing of a push before the commit', async () => {
    const Model = models.rich;
    const found: unknown[] = [];

    await committed(async (session) => {
      await Model.push({ to: 'a' }, { session });
      await Model.push([{ to: 'b' }, { to: 'c' }], { session });
      found.push(await Model.countDocuments(), await Model.pop(), await Model.isEmpty());
    });

    expect(found).toEqual([0, null, true]);
    expect((await Model.popMany(5)).map(({ to }) => to)).toEqual(['a', 'b', 'c']);
  });

  it('sees nothing of a finish before the commit', async () => {
    const task = await popped(models.rich);
    let during: unknown;

    await committed(async (session) => {
      await task.finish({ session });
      during = (await stored(models.rich, task._id))['state'];
    });

    expect(during).toBe('RUNNING');
    expect((await stored(models.rich, task._id))['state']).toBe('FINISHED');
  });

  it('finishes one task and pushes another, both or none', async () => {
    const task = await popped(models.rich);
    const next = new models.rich({ to: 'next' });
    const work = async (session: ClientSession) => {
      await task.finish({ session });
      await next.push({ session });
    };

    await expect(aborted(work)).rejects.toThrow('on second thought');
    expect(await models.rich.countDocuments({ state: State.RUNNING })).toBe(1);
    expect(await models.rich.countDocuments()).toBe(1);

    await committed(onceMore(work).work);
    expect(seen(await models.rich.pop())).toMatchObject({ to: 'next' });
    expect((await stored(models.rich, task._id))['state']).toBe('FINISHED');
  });

  it('takes a handle through several verbs in one transaction', async () => {
    const task = new models.rich({ to: 'a' });
    const before = facts(task);
    const work = async (session: ClientSession) => {
      await task.push({ session });
      task.copies.push('b');
      await task.finish({ session });
      await task.push({ session });
    };

    await expect(aborted(work)).rejects.toThrow('on second thought');
    expect(facts(task)).toMatchObject({ isNew: before['isNew'], state: before['state'], lease: null });

    task.set('copies', []);
    await committed(work);
    expect(seen(await models.rich.pop())).toMatchObject({ id: task.id, copies: ['b'], attempts: 1 });
  });

  it('refuses to finish a task whose lease was lost', async () => {
    const task = await popped(models.rich);
    await endLease(models.rich, task._id);
    await models.rich.pop();

    task.size = 3;
    await expect(committed((session) => task.finish({ session }))).rejects.toThrow(LeaseLostError);

    expect(await stored(models.rich, task._id)).toMatchObject({ state: 'RUNNING', _task: { attempts: 2 } });
  });

  describe('an idle queue', () => {
    const listen = () => {
      const arrived = jest.fn();
      const stop = onArrival(models.rich, arrived);
      return { arrived, stop };
    };

    it('is woken by a push and a finish after the commit, and not before', async () => {
      const task = await popped(models.rich);
      const { arrived, stop } = listen();
      const callsBefore: number[] = [];

      await committed(async (session) => {
        await models.rich.push({ to: 'a' }, { session });
        await models.rich.push([{ to: 'b' }, { to: 'c' }], { session });
        await task.finish({ session });
        callsBefore.push(arrived.mock.calls.length);
      });

      expect(callsBefore).toEqual([0]);
      expect(arrived).toHaveBeenCalledTimes(3);
      stop();
    });

    it('is not woken by a transaction that is aborted', async () => {
      const { arrived, stop } = listen();

      await expect(aborted((session) => models.rich.push({ to: 'a' }, { session }))).rejects.toThrow('second thought');

      expect(arrived).not.toHaveBeenCalled();
      stop();
    });

    it('hands out what was pushed as soon as it is committed', async () => {
      const queue = models.rich.queue({ pollMs: 60_000 });
      const next = queue.next();

      await committed((session) => models.rich.push({ to: 'a' }, { session }));

      expect((await next).value).toMatchObject({ to: 'a' });
      await queue.return();
    });
  });

  describe('a key', () => {
    const key = 'k';

    it('returns the task that was pushed under it in the same transaction', async () => {
      const ids: string[] = [];

      await committed(async (session) => {
        for (const to of ['a', 'b']) ids.push((await models.rich.push({ to }, { key, session })).id as string);
      });

      expect(ids[1]).toBe(ids[0]);
      expect((await models.rich.popMany(5)).map(({ to }) => to)).toEqual(['a']);
    });

    it('returns the live task, and leaves the other document new', async () => {
      const live = await models.rich.push({ to: 'a' }, { key });
      const other = new models.rich({ to: 'b' });

      await committed(async (session) => {
        expect((await other.push({ key, session })).id).toBe(live.id);
      });

      expect(seen(other)).toMatchObject({ isNew: true, state: State.PENDING });
      expect(await models.rich.countDocuments()).toBe(1);
    });

    it('is free when the transaction was aborted', async () => {
      await expect(aborted((session) => models.rich.push({ to: 'a' }, { key, session }))).rejects.toThrow('thought');

      await models.rich.push({ to: 'b' }, { key });

      expect((await models.rich.popMany(5)).map(({ to }) => to)).toEqual(['b']);
    });

    it('is free within the transaction that finishes its task', async () => {
      const first = await models.rich.push({ to: 'a' }, { key });

      await committed(async (session) => {
        await first.finish({ session });
        await models.rich.push({ to: 'b' }, { key, session });
      });

      expect(seen(await models.rich.pop())).toMatchObject({ to: 'b' });
    });

    it('is pushed once by transactions that run at the same time', async () => {
      const push = (to: string) => committed((session) => models.rich.push({ to }, { key, session }));

      const outcomes = await Promise.allSettled([push('a'), push('b'), push('c')]);

      expect(outcomes.map(({ status }) => status)).toContain('fulfilled');
      expect(await models.rich.countDocuments()).toBe(1);
    });
  });
});

describe('a transaction that is ended by hand', () => {
  const database = useDatabase('replicaSet');
  const makeEmail = () => database.connection.model('Email', taskQueue(new Schema({ to: String })));
  let Email: ReturnType<typeof makeEmail>;
  let session: ClientSession;

  beforeAll(async () => {
    Email = makeEmail();
    await Email.ensureTaskIndexes();
  });

  beforeEach(async () => {
    await Email.deleteMany({});
    session = await database.connection.startSession();
    session.startTransaction();
  });

  afterEach(() => session.endSession());

  it('is committed with what was pushed', async () => {
    const email = await Email.push({ to: 'ada@example.org' }, { session });
    expect(await Email.pop()).toBeNull();

    await session.commitTransaction();

    expect(email.isNew).toBe(false);
    expect((await Email.pop())?.id).toBe(email.id);
  });

  it.each([
    ['aborted', () => session.abortTransaction()],
    ['forgotten and the session ended', () => session.endSession()],
  ])('leaves the handle as before when it is %s', async (_how, end) => {
    const email = new Email({ to: 'ada@example.org' });
    await email.push({ session });

    await end();

    expect(seen(email)).toMatchObject({ isNew: true, state: State.PENDING });
    expect(await Email.countDocuments()).toBe(0);
  });

  it('leaves what the next transaction of the session does to that one', async () => {
    const [first, second] = ['first', 'second'].map((to) => new Email({ to }));
    await first!.push({ session });
    await session.abortTransaction();
    session.startTransaction();
    await second!.push({ session });
    await session.commitTransaction();
    session.startTransaction();
    await first!.push({ session });
    await session.abortTransaction();

    expect([first!.isNew, second!.isNew]).toEqual([true, false]);
    expect((await Email.popMany(5)).map(({ to }) => to)).toEqual(['second']);
  });

  it('is left alone by a push without its session', async () => {
    await Email.push({ to: 'ada@example.org' });

    expect((await Email.pop())?.to).toBe('ada@example.org');
  });

  it('keeps no pop waiting behind a task that it has written: the next is handed out', async () => {
    const head = await Email.push({ to: 'head' });
    await Email.push([{ to: 'second' }, { to: 'third' }]);
    await nativeOf(Email).updateOne({ _id: head._id }, { $set: { to: 'written' } }, { session });

    expect([(await popSoon(Email)).to, (await popSoon(Email)).to]).toEqual(['second', 'third']);
    // Its transaction is still open: else this is refused.
    await nativeOf(Email).findOne({}, { session });
    await session.abortTransaction();
    expect(await stored(Email, head._id)).toMatchObject({ to: 'head', state: 'CREATED' });
  });

  it('may push with a session that has no transaction', async () => {
    await session.abortTransaction();

    const email = await Email.push({ to: 'ada@example.org' }, { session });
    await email.finish({ session });

    expect(await stored(Email, email._id)).toMatchObject({ state: 'FINISHED' });
  });
});

describe('under `transactionAsyncLocalStorage`', () => {
  const database = useDatabase('replicaSet');
  const instance = new Mongoose();
  const makeEmail = () => instance.model('Email', taskQueue(new Schema({ to: String, size: Number })));
  let Email: ReturnType<typeof makeEmail>;

  beforeAll(async () => {
    instance.set('transactionAsyncLocalStorage', true);
    await instance.connect(database.uri);
    Email = makeEmail();
    await Email.ensureTaskIndexes();
  });

  afterAll(() => instance.disconnect());

  beforeEach(async () => {
    await Email.deleteMany({});
  });

  it('every push and settle is in the transaction without being told', async () => {
    await Email.push([{ to: 'held' }, { to: 'changed' }]);
    const [held, changed] = await Email.popMany(2);
    const work = async () => {
      changed!.size = 3;
      await held!.finish();
      await changed!.finish();
      await Email.push({ to: 'one' });
      await Email.push([{ to: 'two' }, { to: 'three' }]);
    };
    const aborted = instance.connection.transaction(() => work().then(() => Promise.reject(new Error('no'))));
    await expect(aborted).rejects.toThrow('no');
    expect((await nativeOf(Email).distinct('state')) as string[]).toEqual(['RUNNING']);

    await instance.connection.transaction(onceMore(work).work);

    expect((await Email.popMany(5)).map(({ to }) => to)).toEqual(['one', 'two', 'three']);
    expect(await Email.countDocuments({ state: State.FINISHED })).toBe(2);
    expect(await stored(Email, changed!._id)).toMatchObject({ size: 3 });
  });

  it('a push with `session: null` is in none', async () => {
    const transaction = instance.connection.transaction(async () => {
      await Email.push({ to: 'outside' }, { session: null });
      throw new Error('no');
    });

    await expect(transaction).rejects.toThrow('no');

    expect((await Email.pop())?.to).toBe('outside');
  });

  it('a pop is in none: others see at once that the task is held', async () => {
    await Email.push({ to: 'ada@example.org' });
    let during: unknown;

    await instance.connection.transaction(async () => {
      await Email.pop();
      during = await nativeOf(Email).distinct('state');
    });

    expect(during).toEqual(['RUNNING']);
    expect(await Email.countDocuments({ state: State.RUNNING })).toBe(1);
  });
});

describe('a transaction of a process that has just started', () => {
  const database = useDatabase('replicaSet');

  it('may push, also under a key, before any index is there', async () => {
    const other = await openConnection(database.uri);
    const Email = other.model('Fresh', taskQueue(new Schema({ to: String }, { autoIndex: false })));
    await Email.createCollection();

    // The indexes cannot be built while it is open: it is aborted, and runs again after they were.
    await other.transaction(async (session) => {
      await Email.push({ to: 'a' }, { session });
      await Email.push({ to: 'b' }, { session, key: 'k' });
    });

    expect((await Email.popMany(5)).map(({ to }) => to)).toEqual(['a', 'b']);
  });
});
