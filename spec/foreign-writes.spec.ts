import { Schema, type mongo } from 'mongoose';
import { LeaseLostError, Priority, State, taskQueue, TaskStateError } from 'mongoose-task-queue';
import { useDatabase } from './support/database';
import { endLease, nativeOf, rawUpdate, stored } from './support/raw';
import { seen } from './support/seen';

describe('a task that another program', () => {
  const database = useDatabase();
  const makeEmail = () =>
    database.connection.model(
      'Email',
      taskQueue(new Schema({ to: String, size: Number }), { category: true, maxAttempts: 2 }),
    );
  let Email: ReturnType<typeof makeEmail>;
  let emails: mongo.Collection<mongo.Document>;

  beforeAll(() => {
    Email = makeEmail();
    emails = nativeOf(Email);
  });

  beforeEach(async () => {
    await Email.deleteMany({});
  });

  const drain = async () => (await Email.popMany(20)).map(({ to }) => to);

  describe('inserts with nothing but a state', () => {
    it('is popped, saved and finished like any other', async () => {
      const { insertedId } = await emails.insertOne({ state: 'CREATED' });

      const task = (await Email.pop())!;
      expect(seen(task)).toMatchObject({ id: String(insertedId), attempts: 1, lease: { attempt: 1, fence: 1 } });
      task.size = 3;
      await task.save();
      await task.finish();

      expect(await stored(Email, insertedId)).toMatchObject({ state: 'FINISHED', size: 3 });
      expect(await Email.pop()).toBeNull();
    });

    it.each(['retry', 'release'] as const)('is ready again after `%s()`', async (verb) => {
      const { insertedId } = await emails.insertOne({ state: 'CREATED' });
      const task = (await Email.pop())!;

      await (verb === 'retry' ? task.retry({ delayMs: 0 }) : task.release());

      expect((await Email.pop())?._id).toEqual(insertedId);
    });

    it('comes after those of low priority', async () => {
      await emails.insertMany([
        { state: 'CREATED', to: 'first' },
        { state: 'CREATED', to: 'second' },
      ]);
      await Email.push({ to: 'low', priority: Priority.LOW });
      await Email.push({ to: 'medium' });

      expect(await drain()).toEqual(['medium', 'low', 'first', 'second']);
    });

    it('is taken over when its lease ends, and fails when it has used its attempts', async () => {
      const { insertedId } = await emails.insertOne({ state: 'CREATED' });
      for (const attempt of [1, 2]) {
        expect((await Email.pop())?.attempts).toBe(attempt);
        await endLease(Email, insertedId);
      }

      expect(await Email.pop()).toBeNull();
      expect((await stored(Email, insertedId))['state']).toBe('FAILED');
    });

    it('never expires', async () => {
      const { insertedId } = await emails.insertOne({ state: 'CREATED' });

      await (await Email.pop())!.finish();

      expect((await stored(Email, insertedId))['_task']).not.toHaveProperty('expiresFrom');
    });

    it('is counted, and is not empty', async () => {
      await emails.insertOne({ state: 'CREATED' });

      expect(await Email.isEmpty()).toBe(false);
      expect(await Email.stats()).toMatchObject({ created: 1, ready: 1, delayed: 0, blocked: 0 });
    });

    it('is pushed again, finished and failed by whoever finds it', async () => {
      await emails.insertMany(['push', 'finish', 'fail'].map((to) => ({ state: 'CREATED', to })));

      for (const task of await Email.find()) {
        if (task.to === 'push') await task.push({ delayMs: 60_000 });
        if (task.to === 'finish') await task.finish();
        if (task.to === 'fail') await task.fail();
      }

      expect(await Email.pop()).toBeNull();
      expect(await Email.distinct('state')).toEqual(['CREATED', 'FAILED', 'FINISHED']);
    });
  });

  it.each([
    ['no bookkeeping', { _task: null }],
    ['empty bookkeeping', { _task: {} }],
    ['a priority that is null', { priority: null }],
    ['a priority that is a text', { priority: 'high' }],
    ['a priority out of bounds', { priority: 1e9 }],
    ['a due time that is null', { _task: { availableAt: null, dueAt: null } }],
  ])('inserts with %s is popped, settled and pushed', async (_kind, fields) => {
    const { insertedId } = await emails.insertOne({ state: 'CREATED', ...fields });

    const task = (await Email.pop())!;
    await task.retry({ delayMs: 0 });
    await (await Email.pop())!.finish();

    expect((await stored(Email, insertedId))['state']).toBe('FINISHED');
  });

  it('has changed so that a field cannot be read ends all the same', async () => {
    const ids = (await Email.push([{ to: 'a' }, { to: 'b' }, { to: 'c' }, { to: 'd' }])).map(({ _id }) => _id);
    await emails.updateMany({}, { $set: { size: 'large' } });
    const [a, b, c, d] = await Email.popMany(4);

    await a!.finish();
    await b!.fail('too large');
    await c!.retry({ delayMs: 0 });
    await (await Email.pop())!.release();
    await endLease(Email, d!._id);
    expect(new Set(await drain())).toEqual(new Set(['c', 'd']));
    for (const task of [c!, d!]) await endLease(Email, task._id);

    expect(await Email.pop()).toBeNull();
    const states = await Promise.all(ids.map((_id) => stored(Email, _id)));
    expect(states.map(({ state }) => state as string)).toEqual(['FINISHED', 'FAILED', 'FAILED', 'FAILED']);
  });

  it('inserts with a priority and a category takes part in both', async () => {
    await Email.push({ to: 'pushed', category: 'news' });
    await emails.insertOne({ state: 'CREATED', to: 'foreign', priority: 3, category: 'news' });
    await emails.insertOne({ state: 'CREATED', to: 'other', priority: 3, category: 'else' });

    expect((await Email.popMany(5, { category: 'news' })).map(({ to }) => to)).toEqual(['foreign', 'pushed']);
  });

  it('inserts with a time of its own waits until then', async () => {
    await emails.insertOne({ state: 'CREATED', _task: { availableAt: new Date(Date.now() + 60_000) } });

    expect(await Email.pop()).toBeNull();
  });

  describe('puts back', () => {
    const settled = async (state: 'FINISHED' | 'FAILED') => {
      await Email.push([{ to: 'a' }, { to: 'b' }]);
      for (const task of await Email.popMany(2)) {
        if (state === 'FINISHED') await task.finish();
        else await task.fail(new Error('no such mailbox'));
      }
    };

    it.each(['FINISHED', 'FAILED'] as const)('when it is %s is ready at once, in its old order', async (state) => {
      await settled(state);
      await Email.push({ to: 'c' });

      await emails.updateMany({ state }, { $set: { state: 'CREATED' } });

      expect(await drain()).toEqual(['a', 'b', 'c']);
    });

    it('by Mongoose is ready at once as well', async () => {
      await settled('FAILED');

      await Email.updateMany({ state: State.FAILED }, { state: State.CREATED });

      expect(await drain()).toEqual(['a', 'b']);
    });

    it('keeps its failures and counts its attempts on, or from 1 when it has used them', async () => {
      const { _id } = await Email.push({ to: 'a' });
      const attempts: (number | undefined)[] = [];
      for (let time = 0; time < 4; time++) {
        const task = (await Email.pop())!;
        attempts.push(task.attempts);
        await task.fail(`time ${time}`);
        await rawUpdate(Email, _id, { $set: { state: 'CREATED' } });
      }

      expect(attempts).toEqual([1, 2, 1, 2]);
      expect(seen(await Email.pop())).toMatchObject({ lease: { attempt: 1, fence: 5 } });
      expect((await Email.findById(_id))!.failures.map(({ message }) => message)).toHaveLength(4);
    });

    it('when it failed because its lease ended too often is ready at once', async () => {
      const { _id } = await Email.push({ to: 'a' });
      for (let time = 0; time < 2; time++) {
        await Email.pop();
        await endLease(Email, _id);
      }
      expect(await Email.pop()).toBeNull();

      await emails.updateMany({ state: 'FAILED' }, { $set: { state: 'CREATED' } });

      expect(await drain()).toEqual(['a']);
    });

    it('when it was delayed waits for that time again', async () => {
      const { _id } = await Email.push({ to: 'a' }, { delayMs: 60_000 });
      await rawUpdate(Email, _id, { $set: { state: 'FAILED' } });

      await rawUpdate(Email, _id, { $set: { state: 'CREATED' } });

      expect(await Email.pop()).toBeNull();
    });

    it('while it is RUNNING is taken from its holder, and handed out when the lease would have ended', async () => {
      const { _id } = await Email.push({ to: 'a' });
      const held = (await Email.pop())!;

      await rawUpdate(Email, _id, { $set: { state: 'CREATED' } });

      expect(await Email.pop()).toBeNull();
      await expect(held.finish()).rejects.toThrow(TaskStateError);
      await endLease(Email, _id);
      expect((await Email.pop())?.lease).toMatchObject({ attempt: 2, fence: 2 });
      await expect(held.finish()).rejects.toThrow(LeaseLostError);
    });

    it('while it is RUNNING, without its due time, is ready at once', async () => {
      const { _id } = await Email.push({ to: 'a' });
      await Email.pop();

      await rawUpdate(Email, _id, { $set: { state: 'CREATED' }, $unset: { '_task.availableAt': 1 } });

      expect(await drain()).toEqual(['a']);
    });
  });

  it.each(['FINISHED', 'FAILED', 'PENDING', 'CANCELLED'])('makes %s is not handed out', async (state) => {
    const { _id } = await Email.push({ to: 'a' });

    await rawUpdate(Email, _id, { $set: { state } });

    expect(await Email.pop()).toBeNull();
    expect(await Email.isEmpty()).toBe(true);
  });

  it('makes FINISHED while it is held stays so', async () => {
    const { _id } = await Email.push({ to: 'a' });
    const held = (await Email.pop())!;

    await rawUpdate(Email, _id, { $set: { state: 'FAILED' } });

    await expect(held.finish()).rejects.toThrow(TaskStateError);
    expect((await stored(Email, _id))['state']).toBe('FAILED');
  });
});

describe('a document that is no task', () => {
  const database = useDatabase();
  const others: mongo.Document[] = [
    { name: 'nothing' },
    { name: 'null', state: null },
    { name: 'another state', state: 'OPEN' },
    { name: 'a number', state: 5 },
    { name: 'an object', state: { is: 'CREATED' } },
    { name: 'another case', state: 'created' },
    { name: 'a priority', priority: 3, category: 'a', createdAt: new Date(0) },
    { name: 'pending', state: 'PENDING', priority: 2 },
    { name: 'bookkeeping of its own', _task: 'none' },
    { name: 'within', child: { state: 'CREATED' } },
  ];
  const makeThing = () =>
    database.connection.model('Thing', taskQueue(new Schema({ name: String }), { category: true, maxAttempts: 1 }));
  let Thing: ReturnType<typeof makeThing>;

  beforeAll(async () => {
    Thing = makeThing();
    await Thing.init();
  });

  beforeEach(async () => {
    await Thing.deleteMany({});
    await nativeOf(Thing).insertMany(others.map((fields) => ({ ...fields })));
  });

  const bytes = async () =>
    (
      await nativeOf(Thing)
        .find({}, { raw: true, sort: { _id: 1 } })
        .toArray()
    ).map((raw) => (raw as Buffer).toString('hex'));

  it('is changed by nothing that the queue does', async () => {
    const before = await bytes();

    await Thing.ensureTaskIndexes();
    expect(await Thing.pop()).toBeNull();
    expect(await Thing.pop({ category: ['a', 'b'] })).toBeNull();
    expect(await Thing.popMany(5)).toEqual([]);
    expect(await Thing.isEmpty()).toBe(true);
    await Thing.stats();
    const queue = Thing.queue({ pollMs: 1 });
    const next = queue.next();
    const task = await Thing.push({ name: 'task' }, { key: 'k' });
    await (await next).value!.finish();
    await queue.return();
    await Thing.push([{ name: 'a' }, { name: 'b' }]);
    for (const popped of await Thing.popMany(5)) await popped.fail();
    await task.push();

    await Thing.deleteMany({ name: { $in: ['task', 'a', 'b'] } });
    expect(await bytes()).toEqual(before);
  });

  it('is in no index of the queue', async () => {
    await Thing.push([{ name: 'a' }, { name: 'b', category: 'x' }]);

    const { keysPerIndex } = await database.connection.db!.command({ validate: Thing.collection.name });

    expect(keysPerIndex).toEqual({
      _id_: others.length + 2,
      task_claim: 2,
      task_category: 2,
      task_key: 0,
      task_ended: 0,
      task_expiry: 2,
    });
  });

  it('is counted as nothing', async () => {
    expect(await Thing.stats()).toMatchObject({ created: 0, running: 0, failed: 0, cancelled: 0 });
  });

  it('is refused by the verbs of a task, and not changed', async () => {
    const before = await bytes();

    for (const document of await Thing.find()) {
      await expect(document.finish()).rejects.toThrow(TaskStateError);
      await expect(document.fail()).rejects.toThrow(TaskStateError);
      await expect(document.release()).rejects.toThrow(TaskStateError);
    }

    expect(await bytes()).toEqual(before);
  });

  it('becomes a task when it is pushed', async () => {
    const document = (await Thing.findOne({ name: 'nothing' }))!;

    await document.push();

    expect(seen(await Thing.pop())).toMatchObject({ name: 'nothing', state: State.RUNNING, attempts: 1 });
  });
});
