import { Schema, type Connection, type Document } from 'mongoose';
import { LeaseLostError, State, taskQueue, TaskStateError } from 'mongoose-task-queue';
import { monitoredConnection, type MonitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { endLease, rawUpdate, stored } from '../support/raw';
import { seen } from '../support/seen';

describe('settling a task with changed fields', () => {
  const database = useDatabase();
  let monitored: MonitoredConnection;
  let connection: Connection;
  const hooks: string[] = [];

  const makeEmail = () => {
    const attachment = new Schema({ name: { type: String, required: true } });
    attachment.pre('save', () => void hooks.push('attachment'));
    const schema = new Schema({
      to: { type: String, required: true },
      size: { type: Number, min: 0 },
      words: Number,
      copies: [String],
      attachments: [attachment],
    });
    schema.pre('validate', () => void hooks.push('validate'));
    schema.pre('save', function (this: Document & { size?: number | null; words?: number | null }) {
      hooks.push('before');
      if (this.isModified('size')) this.words = (this.size ?? 0) * 10;
    });
    schema.post('save', () => void hooks.push('after'));
    return connection.model('Email', taskQueue(schema));
  };
  let Email: ReturnType<typeof makeEmail>;

  beforeAll(async () => {
    monitored = await monitoredConnection(database.uri);
    connection = monitored.connection;
    Email = makeEmail();
  });

  beforeEach(async () => {
    await Email.deleteMany({});
  });

  const popped = async (fields = {}) => {
    await Email.push({ to: 'ada@example.org', ...fields });
    const task = (await Email.pop())!;
    hooks.length = 0;
    monitored.forget();
    return task;
  };

  it('is one update with the fields and the state', async () => {
    const task = await popped();

    task.size = 3;
    task.copies.push('bob@example.org');
    await task.finish();

    expect(monitored.all().map(({ name }) => name)).toEqual(['update']);
    const [{ q, u }] = monitored.sent('update')[0]!.body['updates'];
    expect(q).toMatchObject({ _id: task._id, state: 'RUNNING', '_task.token': expect.anything() as unknown });
    expect(u.$set).toMatchObject({ size: 3, state: 'FINISHED' });
    expect(u.$push).toEqual({ copies: { $each: ['bob@example.org'] } });
    expect(await stored(Email, task._id)).toMatchObject({ size: 3, copies: ['bob@example.org'], state: 'FINISHED' });
  });

  it('runs the save hooks, whose changes are written too', async () => {
    const task = await popped();

    task.size = 3;
    task.attachments.push({ name: 'report.pdf' });
    await task.finish();

    expect(hooks).toEqual(['validate', 'attachment', 'before', 'after']);
    expect(await stored(Email, task._id)).toMatchObject({ size: 3, words: 30, state: 'FINISHED' });
  });

  it('leaves nothing modified', async () => {
    const task = await popped();

    task.size = 3;
    await task.finish();

    expect(task.modifiedPaths()).toEqual([]);
    expect(seen(task)).toMatchObject({ state: State.FINISHED, lease: null, size: 3 });
    monitored.forget();
    await task.save();
    expect(monitored.sent('update')).toEqual([]);
  });

  it('runs no hooks when there are none', async () => {
    const task = await popped();

    await task.finish();

    expect(hooks).toEqual([]);
    expect(monitored.all().map(({ name }) => name)).toEqual(['update']);
  });

  it.each(['fail', 'retry', 'release'] as const)('works with `%s()` like with `finish()`', async (verb) => {
    const task = await popped();

    task.size = 3;
    await task[verb]();

    expect(hooks).toEqual(['validate', 'before', 'after']);
    expect(monitored.all().map(({ name }) => name)).toEqual(['update']);
    expect(await stored(Email, task._id)).toMatchObject({ size: 3, words: 30, state: task.state });
  });

  it("works on the producer's handle", async () => {
    const email = await Email.push({ to: 'ada@example.org' });

    email.size = 3;
    await email.finish();

    expect(await stored(Email, email._id)).toMatchObject({ size: 3, state: 'FINISHED' });
  });

  it('works when a document that was saved is pushed', async () => {
    const email = await new Email({ to: 'ada@example.org' }).save();
    hooks.length = 0;

    email.size = 3;
    await email.push();

    expect(hooks).toEqual(['validate', 'before', 'after']);
    expect(seen(await Email.pop())).toMatchObject({ size: 3, words: 30 });
  });

  describe('that are not valid', () => {
    it('is refused, and leaves the task as it was', async () => {
      const task = await popped();
      const before = await stored(Email, task._id);

      task.size = -1;
      await expect(task.finish()).rejects.toMatchObject({ name: 'ValidationError' });

      expect(await stored(Email, task._id)).toEqual(before);
    });

    it('leaves the handle as it was: it holds the task and can settle it', async () => {
      const task = await popped();
      const { lease } = task;
      task.size = -1;
      await expect(task.finish()).rejects.toThrow('size');
      expect(seen(task)).toMatchObject({ state: State.RUNNING, lease, size: -1 });
      expect(task.modifiedPaths()).toEqual(['size']);

      task.size = 3;
      await task.finish();

      expect(await stored(Email, task._id)).toMatchObject({ size: 3, state: 'FINISHED' });
    });

    it('is refused by a sub-document just so', async () => {
      const task = await popped();

      task.attachments.push({} as never);

      await expect(task.finish()).rejects.toMatchObject({ name: 'ValidationError' });
      expect(task.state).toBe(State.RUNNING);
      expect((await stored(Email, task._id))['state']).toBe('RUNNING');
    });
  });

  it('is given up when a save hook throws, and can be done again', async () => {
    const schema = new Schema({ size: Number });
    let isFull = true;
    schema.pre('save', () => {
      if (isFull) throw new Error('disk full');
    });
    const Hooked = connection.model('Hooked', taskQueue(schema));
    isFull = false;
    await Hooked.push({});
    isFull = true;
    const task = (await Hooked.pop())!;

    task.size = 3;
    await expect(task.finish()).rejects.toThrow('disk full');
    expect(seen(task)).toMatchObject({ state: State.RUNNING, size: 3, lease: { attempt: 1 } });
    expect(task.modifiedPaths()).toEqual(['size']);

    isFull = false;
    await task.finish();
    expect(await stored(Hooked, task._id)).toMatchObject({ size: 3, state: 'FINISHED' });
  });

  it('is done although a hook after the save throws, and is recognised when it is sent again', async () => {
    const schema = new Schema({ size: Number });
    let isBroken = false;
    schema.post('save', () => {
      if (isBroken) throw new Error('no network');
    });
    const Hooked = connection.model('HookedAfter', taskQueue(schema));
    await Hooked.push({});
    const task = (await Hooked.pop())!;
    isBroken = true;
    task.size = 3;
    await expect(task.finish()).rejects.toThrow('no network');

    await task.finish();

    expect(seen(task)).toMatchObject({ state: State.FINISHED, lease: null });
    expect(await stored(Hooked, task._id)).toMatchObject({ size: 3, state: 'FINISHED' });
  });

  it('is done once when it is asked for twice at the same moment', async () => {
    const task = await popped();
    const due = task.lease!.until;

    task.size = 3;
    const outcomes = await Promise.allSettled([task.finish(), task.finish()]);

    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
    expect(seen(task)).toMatchObject({ state: State.FINISHED, lease: null });
    expect(task.modifiedPaths()).toEqual([]);
    const raw = await stored(Email, task._id);
    expect(raw).toMatchObject({ size: 3, state: 'FINISHED', _task: { settledAt: expect.any(Date) as Date } });
    expect(raw['_task'].availableAt).not.toEqual(due);
  });

  it('is not done by a save that is under way, however far that is', async () => {
    await Email.push(Array.from({ length: 20 }, (_, turns) => ({ to: `${turns}@example.org` })));

    for (const [turns, task] of (await Email.popMany(20)).entries()) {
      task.size = 3;
      const saving = task.save();
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      const [, finished] = await Promise.allSettled([saving, task.finish()]);

      const isFinished = (await stored(Email, task._id))['state'] === 'FINISHED';
      expect([turns, finished.status]).toEqual([turns, isFinished ? 'fulfilled' : 'rejected']);
      expect(task.state).toBe(isFinished ? State.FINISHED : State.RUNNING);
    }
  });

  it('is refused when the lease was lost, and keeps the changes in the handle', async () => {
    const first = await popped();
    await endLease(Email, first._id);
    await Email.pop();
    const before = await stored(Email, first._id);

    first.size = 3;
    first.copies.push('bob@example.org');
    await expect(first.finish()).rejects.toThrow(LeaseLostError);

    expect(await stored(Email, first._id)).toEqual(before);
    expect(first.directModifiedPaths().sort()).toEqual(['copies', 'size']);
    expect(first.state).toBe(State.RUNNING);
  });

  it('does not write a change of state that was left over by a refused one', async () => {
    const email = await Email.push({ to: 'ada@example.org' });
    await Email.updateOne({ _id: email._id }, { $set: { state: State.FAILED } });
    email.size = 3;
    await expect(email.finish()).rejects.toThrow(TaskStateError);

    await email.save();

    expect(await stored(Email, email._id)).toMatchObject({ state: 'FAILED', size: 3 });
  });

  it('respects a filter that the user set with `$where`', async () => {
    const task = await popped({ size: 1 });
    await rawUpdate(Email, task._id, { $set: { size: 2 } });

    task.$where = { size: 1 };
    task.words = 5;

    await expect(task.finish()).rejects.toMatchObject({ name: 'DocumentNotFoundError' });
    expect(task.$where).toEqual({ size: 1 });
    expect(task.state).toBe(State.RUNNING);
    task.$where = { size: 2 };
    await task.finish();
    expect(await stored(Email, task._id)).toMatchObject({ words: 5, state: 'FINISHED' });
  });

  describe('where the versions of arrays matter', () => {
    it('throws a VersionError when the version changed meanwhile', async () => {
      const task = await popped({ copies: ['a', 'b'] });
      await rawUpdate(Email, task._id, { $inc: { __v: 1 } });

      task.set('copies.0', 'changed');
      await expect(task.finish()).rejects.toMatchObject({ name: 'VersionError' });

      expect(seen(task)).toMatchObject({ state: State.RUNNING, lease: { attempt: 1 } });
      expect(await stored(Email, task._id)).toMatchObject({ copies: ['a', 'b'], state: 'RUNNING' });
    });

    it('counts the version up once', async () => {
      const task = await popped({ copies: ['a', 'b'] });

      task.copies = ['changed'] as never;
      await task.finish();

      expect(task.get('__v')).toBe(1);
      expect(await stored(Email, task._id)).toMatchObject({ copies: ['changed'], __v: 1 });
    });
  });

  describe('under optimisticConcurrency', () => {
    const makeReport = () =>
      connection.model('Report', taskQueue(new Schema({ size: Number }, { optimisticConcurrency: true })));
    let Report: ReturnType<typeof makeReport>;

    beforeAll(() => {
      Report = makeReport();
    });

    it('works, also several times by one handle', async () => {
      const report = await Report.push({ size: 1 });
      report.size = 2;
      await report.push();
      const task = (await Report.pop())!;

      task.size = 3;
      await task.save();
      task.size = 4;
      await task.finish();

      expect(await stored(Report, task._id)).toMatchObject({ size: 4, state: 'FINISHED' });
    });

    it('throws a VersionError when somebody else changed the document', async () => {
      await Report.push({ size: 1 });
      const task = (await Report.pop())!;
      const other = (await Report.findById(task._id))!;
      other.size = 2;
      await other.save();

      task.size = 3;
      await expect(task.finish()).rejects.toMatchObject({ name: 'VersionError' });

      expect(seen(task)).toMatchObject({ state: State.RUNNING, lease: { attempt: 1 } });
      expect(await stored(Report, task._id)).toMatchObject({ size: 2, state: 'RUNNING' });
    });

    it('throws a LeaseLostError when the lease was lost', async () => {
      await Report.push({ size: 1 });
      const task = (await Report.pop())!;
      await endLease(Report, task._id);
      await Report.pop();

      task.size = 3;

      await expect(task.finish()).rejects.toThrow(LeaseLostError);
    });
  });

  describe('follows `timestamps`', () => {
    const at = new Date('2020-02-02T02:02:02Z');
    const long = new Date('2001-01-01T00:00:00Z');

    it.each([
      ['true', true, 'updatedAt'],
      ['another name', { updatedAt: 'changedAt' }, 'changedAt'],
      ['only `updatedAt`', { createdAt: false, updatedAt: true }, 'updatedAt'],
    ])('with %s', async (name, timestamps, path) => {
      const schema = new Schema<{ size?: number }>({ size: Number }, { timestamps });
      const Task = connection.model(`Timestamps ${name}`, taskQueue(schema));
      for (const change of [() => {}, (task: Document) => task.set('size', 3)]) {
        await Task.push({});
        const task = (await Task.pop())!;
        await rawUpdate(Task, task._id, { $set: { [path]: long } });

        change(task);
        await task.finish();

        const { [path]: written } = await stored(Task, task._id);
        expect(written.getTime()).toBeGreaterThan(Date.now() - 60_000);
        expect(task.get(path)).toEqual(written);
      }
    });

    it('with a clock of its own', async () => {
      const schema = new Schema({ size: Number }, { timestamps: { currentTime: () => at } });
      const Task = connection.model('TimestampsOfClock', taskQueue(schema));
      await Task.push([{}, {}]);
      const [unchanged, changed] = await Task.popMany(2);

      await unchanged!.finish();
      changed!.size = 3;
      await changed!.finish();

      expect(await Task.distinct('updatedAt')).toEqual([at]);
    });

    it.each([
      ['none', new Schema({ size: Number })],
      ['`updatedAt: false`', new Schema({ size: Number }, { timestamps: { updatedAt: false } })],
    ])('with %s', async (name, schema) => {
      const Task = connection.model(`NoTimestamps ${name}`, taskQueue(schema as Schema<{ size?: number }>));
      await Task.push({});

      await (await Task.pop())!.finish();

      expect(await Task.collection.findOne({})).not.toHaveProperty('updatedAt');
    });

    it('also when a task is pushed again', async () => {
      const Task = connection.model('TimestampsOfPush', taskQueue(new Schema({}, { timestamps: true })));
      const task = await Task.push({});
      await task.finish();
      await rawUpdate(Task, task._id, { $set: { updatedAt: long } });

      await task.push();

      expect((await stored(Task, task._id))['updatedAt'].getTime()).toBeGreaterThan(long.getTime());
    });
  });
});
