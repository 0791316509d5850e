import { createConnection, mongo, Schema, Types } from 'mongoose';
import { InvalidOptionError, State, taskQueue, TaskStateError } from 'mongoose-task-queue';
import { advance, audit, drain, expectPushed } from 'mongoose-task-queue/testing';
import { doctor } from '../lib/doctor';
import { figuresOf } from '../lib/inspect/figures';
import { listTasks } from '../lib/inspect/list';
import { View } from '../lib/inspect/view';
import { useDatabase } from './support/database';
import { BSONTYPE, FAR_DATE, foreignBytes, foreignProgram, NO_PATTERN, NO_TEXT } from './support/foreign-bytes';
import { nativeOf, stored } from './support/raw';

/** What callers pass by mistake, and what other programs leave in the database. */
describe('what strays in', () => {
  const database = useDatabase('replicaSet');
  let number = 0;
  const makeJob = (options: object = {}, plugin: object = {}) =>
    database.connection.model(
      `Stray${++number}`,
      taskQueue(new Schema({ n: Number, to: String }, options), { backoff: () => 0, ...plugin }),
    );

  const noFilters: Record<string, unknown> = {
    'a promise': Promise.resolve({ n: 1 }),
    'a map': new Map([['n', 1]]),
    'a date': new Date(),
    'an id': new Types.ObjectId(),
    'an empty `$or`': { $or: [] },
    'an empty list within': { $and: [{ $nor: [] }] },
    'undefined within': { to: { $ne: undefined } },
    'undefined in a list': { $or: [{ to: undefined }] },
    'an operator that the schema does not know': { to: { $size: 1 } },
  };
  it.each(Object.entries(noFilters))('as a filter, %s, is refused and changes nothing', async (_, filter) => {
    const Job = makeJob();
    await Job.push([{ n: 1 }, { n: 2, to: 'ada' }]);

    await expect(Job.cancel(filter as never)).rejects.toThrow(InvalidOptionError);
    await expect(Job.requeue(filter as never)).rejects.toThrow(InvalidOptionError);

    expect(await Job.countDocuments({ state: State.CREATED })).toBe(2);
  });

  const noInputs: Record<string, unknown> = {
    'a promise': Promise.resolve({ n: 1 }),
    'a generator': [{ n: 1 }].values(),
    'a set': new Set([{ n: 1 }]),
    bytes: Buffer.from('n'),
    'an error': new Error('n'),
    'a pattern': /n/,
    'an address': new URL('https://example.org'),
    'a list of promises': [Promise.resolve({ n: 1 })],
    // oxlint-disable-next-line no-sparse-arrays -- what a mistake leaves
    'a list with a hole': [{ n: 1 }, , { n: 2 }],
  };
  it.each(Object.entries(noInputs))('as input, %s, is refused and stores nothing', async (_, input) => {
    const Job = makeJob();

    await expect(Job.push(input as never)).rejects.toThrow(InvalidOptionError);

    expect(await Job.countDocuments()).toBe(0);
  });

  it('as input, fields of any name are taken', async () => {
    const Job = makeJob({ strict: false });
    // oxlint-disable-next-line unicorn/no-thenable -- a text, which nobody awaits
    const given = Object.fromEntries([['then', 'later']]);

    const { _id } = await Job.push({ n: 1, ...given });

    expect(await stored(Job, _id)).toMatchObject(given);
  });

  it('as a key, null, and text that is none, keep no other task from being cancelled', async () => {
    const Job = makeJob();
    await Job.push([{ n: 1 }, { n: 2 }]);
    await Job.ensureTaskIndexes();
    await nativeOf(Job).insertOne({ state: 'CREATED', priority: 2, _task: { key: null } });
    const foreign = await foreignProgram(database.connection);
    const broken = { _id: new Types.ObjectId(), state: 'CREATED', priority: 2, _task: { key: NO_TEXT } };
    expect(await foreign.insert(Job.collection.name, foreignBytes(broken))).toBe(true);
    foreign.close();

    expect(await Job.cancel({})).toEqual({ cancelled: 4, cancelling: 0 });
  });

  it('as the name of the task before, a number counts as none', async () => {
    const Job = makeJob();
    await Job.push({ n: 1 }, { key: 'k' });
    await nativeOf(Job).updateOne({}, { $set: { '_task.behind': Number.NaN } });

    expect((await Job.push({ n: 2 }, { key: 'k', onDuplicate: 'replace' })).pushOutcome).toBe('replaced');
    await nativeOf(Job).updateOne({}, { $set: { '_task.behind': Number.NaN } });
    expect((await Job.push({ n: 3 }, { key: 'k', onDuplicate: 'supersede' })).pushOutcome).toBe('superseded');
  });

  it('as a task that has given its key away, one without a name gets one', async () => {
    const Job = makeJob();
    const aside = { state: 'CREATED', priority: 2, _task: { key: { running: 'k' }, availableAt: new Date(0) } };
    await nativeOf(Job).insertOne({ n: 1, ...aside });

    expect((await Job.push({ n: 2 }, { key: 'k', onDuplicate: 'replace' })).pushOutcome).toBe('behind');

    const first = (await Job.pop())!;
    expect(first.n).toBe(1);
    expect(await Job.pop()).toBeNull();
    await first.finish();
    expect((await Job.pop())?.n).toBe(2);
  });

  it('as a shard key, another than that of the task with the key is refused and changes nothing', async () => {
    const Job = makeJob({ shardKey: { to: 1 } });
    const { _id } = await Job.push({ n: 1, to: 'ada' }, { key: 'k' });

    const pushed = Job.push({ n: 2, to: 'bob' }, { key: 'k', onDuplicate: 'replace' });

    await expect(pushed).rejects.toThrow(/shard key `to`.*"ada".*"bob"/);
    expect(await stored(Job, _id)).toMatchObject({ n: 1, to: 'ada' });
    const same = await Job.push({ n: 2, to: 'ada' }, { key: 'k', onDuplicate: 'replace' });
    expect(same.pushOutcome).toBe('replaced');
  });

  it('as ids, values of several types are all cancelled', async () => {
    const Job = database.connection.model(`Stray${++number}`, taskQueue(new Schema({ _id: Schema.Types.Mixed })));
    const ids = [...Array.from({ length: 1_000 }, (_, index) => index), 'a', new Types.ObjectId(), new Date()];
    await Job.push(ids.map((_id) => ({ _id }) as object));

    expect(await Job.cancel({})).toEqual({ cancelled: 1_003, cancelling: 0 });
  });

  it('a task of which a hook makes no document is named to whoever pushes its key, and can be replaced', async () => {
    const schema = new Schema({ n: Number });
    schema.post('init', (document) => {
      if (document['n'] === 1) throw new Error('no good');
    });
    const Job = database.connection.model(`Stray${++number}`, taskQueue(schema, { backoff: () => 0 }));
    const { _id } = await Job.push({ n: 1 }, { key: 'k' });

    const said = new RegExp(`${String(_id)}, cannot be read: Error: no good`);
    await expect(Job.findByKey('k')).rejects.toThrow(said);
    await expect(Job.push({ n: 2 }, { key: 'k' })).rejects.toThrow(said);

    expect((await Job.push({ n: 3 }, { key: 'k', onDuplicate: 'replace' })).pushOutcome).toBe('replaced');
    expect(await Job.findByKey('k')).toMatchObject({ _id, n: 3 });
  });

  it('a task with text that is none is found by its key, and can be replaced', async () => {
    const Job = makeJob();
    await Job.ensureTaskIndexes();
    const foreign = await foreignProgram(database.connection);
    const times = { availableAt: new Date(), dueAt: new Date() };
    const broken = { _id: new Types.ObjectId(), n: 1, to: NO_TEXT, state: 'CREATED', priority: 2 };
    await foreign.insert(Job.collection.name, foreignBytes({ ...broken, _task: { key: 'k', ...times } }));
    foreign.close();

    expect(await Job.findByKey('k')).toMatchObject({ n: 1 });
    expect((await Job.push({ n: 2 }, { key: 'k' })).pushOutcome).toBe('kept');
    expect((await Job.push({ n: 3 }, { key: 'k', onDuplicate: 'replace' })).pushOutcome).toBe('replaced');
    expect(await stored(Job, broken._id)).toMatchObject({ n: 3 });
  });

  it.each([
    ['nothing', undefined],
    ['more than a document can hold', 'x'.repeat(17 * 2 ** 20)],
    ['more than its document can hold', 'x'.repeat(12 * 2 ** 20)],
  ])('as progress, %s is refused and changes nothing', async (_, value) => {
    const Job = makeJob();
    await Job.push({ n: 1, to: 'x'.repeat(5 * 2 ** 20) });
    const task = (await Job.pop())!;
    const lease = await task.progress('half');

    await expect(task.progress(value as string)).rejects.toThrow(InvalidOptionError);

    expect(task.lastProgress).toBe('half');
    expect(task.lease).toEqual(lease);
    await task.finish();
  });

  it.each([16, 20])('as input, %i MB are refused as too large, however they are pushed', async (megabytes) => {
    const Job = makeJob();
    const large = { n: 1, to: 'x'.repeat(megabytes * 2 ** 20) };

    const [refused, pushed] = await Promise.allSettled([Job.push(large), Job.push({ n: 2 })]);
    expect(refused).toMatchObject({ reason: { message: expect.stringContaining('16 MB') as string } });
    expect(pushed.status).toBe('fulfilled');
    await expect(Job.push([large])).rejects.toThrow('16 MB');
    await expect(Job.push(large, { key: 'k' })).rejects.toThrow('16 MB');
    await expect(new Job(large).push()).rejects.toThrow('16 MB');

    expect(await Job.distinct('n')).toEqual([2]);
  });

  it.each([
    { capped: 4_096 },
    { timeseries: { timeField: 'at' } },
    { clusteredIndex: { key: { _id: 1 }, unique: true } },
  ])('a collection in which tasks cannot change is refused: %j', (options) => {
    expect(() => makeJob(options)).toThrow(InvalidOptionError);
  });

  it.each(['after', 'replace', 'debounce', 'supersede'] as const)(
    'as the name of the task before, of a task whose holder died, no value keeps it and its successor back: %s',
    async (onDuplicate) => {
      const Job = makeJob({}, { leaseMs: 1_000 });
      await Job.ensureTaskIndexes();
      for (const behind of [5, 'x', null, [], new Date()]) {
        const lease = { availableAt: new Date(0), dueAt: new Date(0), token: new Types.ObjectId(), attempts: 1 };
        await nativeOf(Job).insertOne({ n: 1, state: 'RUNNING', priority: 2, _task: { key: 'k', behind, ...lease } });
        await Job.push({ n: 2 }, { key: 'k', onDuplicate, ...(onDuplicate === 'debounce' && { delayMs: 0 }) });

        if (onDuplicate !== 'supersede') await (await Job.pop())!.finish();
        const second = (await Job.pop())!;

        expect(second.n).toBe(2);
        await second.finish();
        await nativeOf(Job).deleteMany({});
      }
    },
  );

  it.each(['keep', 'replace', 'debounce', 'after', 'supersede'] as const)(
    'as a window of a key, what is no time of JavaScript counts as none: %s',
    async (onDuplicate) => {
      const Job = makeJob();
      await Job.ensureTaskIndexes();
      const foreign = await foreignProgram(database.connection);
      for (const throttledUntil of [FAR_DATE, new mongo.MaxKey(), 'later', null])
        for (const state of ['FINISHED', 'RUNNING']) {
          const lease = { availableAt: new Date(Date.now() + 60_000), dueAt: new Date(), token: new Types.ObjectId() };
          const task = { key: 'k', throttledUntil, attempts: 1, ...lease };
          await foreign.insert(Job.collection.name, foreignBytes({ n: 1, state, priority: 2, _task: task }));

          const { pushOutcome } = await Job.push(
            { n: 2 },
            { key: 'k', onDuplicate, ...(onDuplicate === 'debounce' && { delayMs: 0 }) },
          );

          const behind = {
            keep: 'kept',
            replace: 'behind',
            debounce: 'behind',
            after: 'behind',
            supersede: 'superseded',
          };
          expect(pushOutcome).toBe(state === 'FINISHED' ? 'queued' : behind[onDuplicate]);
          await nativeOf(Job).deleteMany({});
        }
      foreign.close();
    },
  );

  it('as a progress, what cannot be read keeps no successor back', async () => {
    const Job = makeJob();
    await Job.ensureTaskIndexes();
    const foreign = await foreignProgram(database.connection);
    for (const onDuplicate of ['replace', 'supersede', 'after'] as const)
      for (const state of ['CREATED', 'RUNNING']) {
        const lease = { availableAt: new Date(Date.now() + 60_000), dueAt: new Date(), token: new Types.ObjectId() };
        const task = { key: 'k', progress: new mongo.BSONRegExp(NO_PATTERN, 'i'), ...lease };
        await foreign.insert(Job.collection.name, foreignBytes({ n: 1, state, priority: 2, _task: task }));

        expect((await Job.push({ n: 2 }, { key: 'k', onDuplicate })).n).toBe(2);

        await nativeOf(Job).deleteMany({});
      }
    foreign.close();
  });

  it('as a token, what only looks like one keeps no other task from being cancelled or listed', async () => {
    const Job = makeJob();
    await Job.ensureTaskIndexes();
    const foreign = await foreignProgram(database.connection);
    for (const state of ['CREATED', 'RUNNING']) {
      await Job.push([{ n: 1 }, { n: 2 }]);
      const token = { [BSONTYPE]: 'ObjectId' };
      const odd = { state, priority: 2, _task: { availableAt: new Date(0), dueAt: new Date(0), token } };
      await foreign.insert(Job.collection.name, foreignBytes(odd));

      const { rows } = await listTasks(new View({ models: [Job] }), Job as never, {});
      expect(rows).toHaveLength(3);
      expect(await Job.cancel({})).toEqual({ cancelled: 3, cancelling: 0 });
    }
    foreign.close();
  });

  it('as the time of a ready task, a list does not keep the others from being counted', async () => {
    const Job = makeJob();
    await Job.ensureTaskIndexes();
    await Job.push([{ n: 1 }]);
    const availableAt = [new Date(0), new Date(1)];
    await nativeOf(Job).insertOne({ state: 'CREATED', priority: 2, _task: { availableAt } });

    expect(await figuresOf(Job as never)).toMatchObject({ created: 2, oldestReadyAgeMs: expect.any(Number) as number });
  });

  it.each(['keep', 'replace', 'after', 'supersede'] as const)(
    'as an id of a task with a key, what cannot be sent, or is made another, is told to whoever pushes it: %s',
    async (onDuplicate) => {
      const Job = makeJob();
      await Job.ensureTaskIndexes();
      const foreign = await foreignProgram(database.connection);
      for (const _id of [FAR_DATE, { [BSONTYPE]: 'Long' }, ...(onDuplicate === 'keep' ? [new Date()] : [])]) {
        const task = { key: 'k', availableAt: new Date(), dueAt: new Date() };
        await foreign.insert(Job.collection.name, foreignBytes({ _id, state: 'CREATED', priority: 2, _task: task }));

        await expect(Job.push({ n: 1 }, { key: 'k', onDuplicate })).rejects.toThrow(TaskStateError);

        await nativeOf(Job).deleteMany({});
      }
      foreign.close();
    },
  );

  it('in the side collection, entries of other programs count as none', async () => {
    const Job = makeJob();
    await Job.push({ n: 1 });
    const side = database.connection.collection(`${Job.collection.name}.queue`);
    await side.insertMany([
      { _id: 'control' as never, pauses: [null, { since: 'today' }], uses: [] },
      { beat: new Date() },
      { _id: { at: 'today', model: Job.modelName } as never, finished: 1 },
    ]);

    expect(await Job.paused()).toEqual([]);
    expect(await Job.workers()).toEqual([]);
    expect(await Job.history({ minutes: 5 })).toHaveLength(5);
    expect((await Job.pop())?.n).toBe(1);
  });

  it('a write concern of the schema does not keep a transaction from cancelling or superseding', async () => {
    const Job = makeJob({ writeConcern: { w: 'majority' } });
    const [first] = await Job.push([{ n: 1 }]);
    await Job.push({ n: 2 }, { key: 'k' });

    await database.connection.transaction(async (session) => {
      await first!.cancel({ session });
      await Job.push({ n: 3 }, { key: 'k', onDuplicate: 'supersede', session });
    });

    expect(await Job.distinct('n', { state: State.CANCELLED })).toEqual([1, 2]);
  });

  it.each([
    [{ timestamps: true }, { fields: { createdAt: 'queuedAt' } }, 'createdAt'],
    [{ timestamps: { updatedAt: 'changed' } }, { fields: { createdAt: 'queuedAt' } }, 'createdAt'],
    [{ timestamps: { createdAt: 'meta.made' } }, {}, 'meta.made'],
  ])('a replaced task keeps the time at which Mongoose says it was made: %j', async (options, plugin, path) => {
    const Job = makeJob(options, plugin);
    const { _id } = await Job.push({ n: 1 }, { key: 'k' });
    const made = () => nativeOf(Job).distinct(path, { _id });
    const before = await made();

    await Job.push({ n: 2 }, { key: 'k', onDuplicate: 'replace' });

    expect(await stored(Job, _id)).toMatchObject({ n: 2 });
    expect(await made()).toEqual(before);
    expect(before).toHaveLength(1);
  });

  it('a referenced document whose hook throws fails the task that refers to it, and no other', async () => {
    const schema = new Schema({ isBad: Boolean });
    schema.post('init', (document) => {
      if (document['isBad']) throw new Error('no good');
    });
    const Part = database.connection.model(`Part${++number}`, schema);
    const Job = database.connection.model(
      `Whole${number}`,
      taskQueue(new Schema({ part: { type: Schema.Types.ObjectId, ref: Part.modelName } }), { maxAttempts: 1 }),
    );
    const [good, bad] = await Part.insertMany([{}, { isBad: true }]);
    await Job.push([{ part: bad!._id }, { part: good!._id }, { part: good!._id }]);

    expect(await Job.popMany(3, { populate: 'part' })).toHaveLength(2);

    const [failed] = await nativeOf(Job).find({ state: State.FAILED }).toArray();
    expect(failed!['_task'].errors).toMatchObject([{ message: 'no good' }]);
  });

  it('a queue over a view ends with what the server says', async () => {
    const Job = makeJob({ autoCreate: false, autoIndex: false });
    await database.connection.db!.createCollection(Job.collection.name, { viewOn: 'nothing', pipeline: [] });

    await expect(Job.queue({ pollMs: 5, onError: () => {} }).next()).rejects.toThrow(/view/);
  });

  it('the kit says that nobody has connected', async () => {
    const connection = createConnection();
    const Job = connection.model('Job', taskQueue(new Schema({ n: Number }, { bufferTimeoutMS: 50 })));

    await expect(advance(Job, 1_000)).rejects.toThrow('was not opened');
    await expect(expectPushed(Job)).rejects.toThrow('was not opened');
    await expect(drain(Job, { handler: () => {} })).rejects.toThrow('was not opened');
  });

  it.each([[{ strictQuery: 'throw' }], [{ strictQuery: true }]])(
    'the kit finds what was pushed, whatever queries are allowed: %j',
    async (options) => {
      const Job = makeJob(options);
      await Job.push({ n: 1 });

      expect(await expectPushed(Job, { n: 1 })).toMatchObject({ n: 1 });
      await expect(expectPushed(Job, { n: 2 })).rejects.toThrow('n: 1');
    },
  );

  it('the kit finds what was pushed where filters are sanitized', async () => {
    const Job = makeJob();
    await Job.push({ n: 1 });
    Job.base.set('sanitizeFilter', true);
    try {
      expect(await expectPushed(Job, { n: { $gt: 0 } })).toMatchObject({ n: 1 });
    } finally {
      Job.base.set('sanitizeFilter', undefined);
    }
  });

  it.each([null, undefined, 'Job', {}])('the kit and the doctor say that %p is no model', async (value) => {
    for (const look of [audit, doctor, drain, (one: never) => advance(one, 1)])
      await expect(look(value as never)).rejects.toThrow(InvalidOptionError);
  });

  it('what the progress of a doctor rejects with is no finding', async () => {
    const Job = makeJob();
    await Job.ensureTaskIndexes();
    const onProgress = jest.fn(() => Promise.reject(new Error('no terminal')) as never);

    expect((await doctor([Job as never], { onProgress })).flatMap(({ findings }) => findings)).toEqual([]);

    expect(onProgress).toHaveBeenCalled();
  });
});
