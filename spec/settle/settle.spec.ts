import { runInNewContext } from 'node:vm';
import { Schema } from 'mongoose';
import { InvalidOptionError, LeaseLostError, State, taskQueue, TaskStateError } from 'mongoose-task-queue';
import { expectBetween } from '../support/between';
import { monitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { endLease, rawUpdate, stored } from '../support/raw';
import { seen } from '../support/seen';

const hour = 3_600_000;

describe('settle', () => {
  const database = useDatabase();
  const makeEmail = (connection = database.connection) =>
    connection.model(
      'Email',
      taskQueue(new Schema({ to: String, size: Number }), { backoff: (attempt) => attempt * hour }),
    );
  let Email: ReturnType<typeof makeEmail>;

  beforeAll(() => {
    Email = makeEmail();
  });

  beforeEach(async () => {
    await Email.deleteMany({});
  });

  const popped = async () => {
    await Email.push({ to: 'ada@example.org' });
    return (await Email.pop())!;
  };
  const takenOver = async () => {
    const first = await popped();
    await endLease(Email, first._id);
    return { first, second: (await Email.pop())! };
  };

  describe('finish', () => {
    it('makes the task FINISHED and ends the lease', async () => {
      const task = await popped();

      const finished = await task.finish();

      expect(finished).toBe(task);
      expect(seen(task)).toMatchObject({ state: State.FINISHED, lease: null, attempts: 1 });
      const { state, _task } = await stored(Email, task._id);
      expect(state).toBe('FINISHED');
      expect(_task).toMatchObject({ availableAt: _task.dueAt, attempts: 1, settledAt: expect.any(Date) as Date });
    });

    it("works on the producer's handle while nobody holds the task", async () => {
      const email = await Email.push({ to: 'ada@example.org' });

      await email.finish();

      expect(email.state).toBe(State.FINISHED);
      expect(await Email.pop()).toBeNull();
    });

    it('works on a handle that was found while nobody holds the task', async () => {
      await Email.push({ to: 'ada@example.org' });
      const found = (await Email.findOne())!;

      await found.finish();

      expect((await stored(Email, found._id))['state']).toBe('FINISHED');
    });

    it('works after the lease has ended, as long as nobody took over', async () => {
      const task = await popped();
      await endLease(Email, task._id);

      await task.finish();

      expect((await stored(Email, task._id))['state']).toBe('FINISHED');
    });

    it('twice by the same handle is recognised', async () => {
      const task = await popped();
      await task.finish();
      const before = await stored(Email, task._id);

      await task.finish();

      expect(task.state).toBe(State.FINISHED);
      expect(await stored(Email, task._id)).toEqual(before);
    });

    it("twice by the producer's handle is recognised", async () => {
      const email = await Email.push({ to: 'ada@example.org' });

      await email.finish();
      await email.finish();

      expect(email.state).toBe(State.FINISHED);
    });

    it('twice at the same moment is recognised', async () => {
      const task = await popped();

      await Promise.all([task.finish(), task.finish()]);

      expect(task.state).toBe(State.FINISHED);
    });

    it('does not take the outcome of somebody else for its own', async () => {
      const email = await Email.push({ to: 'ada@example.org' });
      const found = (await Email.findById(email._id))!;
      await (await Email.pop())!.finish();

      await expect(email.finish()).rejects.toThrow(TaskStateError);
      await expect(found.finish()).rejects.toThrow(TaskStateError);
    });

    it.each([
      ['PENDING', () => new Email({ to: 'ada@example.org' }).save()],
      [
        'FAILED',
        async () => (await Email.push({ to: 'ada@example.org' })).fail().then(({ _id }) => Email.findById(_id)),
      ],
    ])('refuses a task that is %s', async (state, make) => {
      const task = (await make())!;
      const before = await stored(Email, task._id);

      const finish = task.finish();

      await expect(finish).rejects.toThrow(TaskStateError);
      await expect(finish).rejects.toMatchObject({ state, taskId: task._id });
      expect(await stored(Email, task._id)).toEqual(before);
      expect(task.state).toBe(state);
    });

    it('refuses a task that was never stored', async () => {
      await expect(new Email({ to: 'ada@example.org' }).finish()).rejects.toThrow('Call `push()` first');
    });

    it('refuses a task that was deleted', async () => {
      const task = await popped();
      await Email.deleteOne({ _id: task._id });

      const finish = task.finish();

      await expect(finish).rejects.toThrow(TaskStateError);
      await expect(finish).rejects.toMatchObject({ state: null });
    });

    it('refuses an option it does not know', async () => {
      await expect((await popped()).finish({ sesion: null } as never)).rejects.toThrow('Did you mean `session`?');
    });

    it('is one write', async () => {
      const monitored = await monitoredConnection(database.uri);
      const Monitored = makeEmail(monitored.connection);
      await Monitored.push({ to: 'ada@example.org' });
      const task = (await Monitored.pop())!;
      monitored.forget();

      await task.finish();

      expect(monitored.all().map(({ name }) => name)).toEqual(['update']);
    });
  });

  describe('fail', () => {
    it('makes the task FAILED and keeps the error', async () => {
      const task = await popped();
      const error = new Error('no such mailbox');

      await task.fail(error);

      expect(seen(task)).toMatchObject({ state: State.FAILED, lease: null });
      const failure = { message: 'no such mailbox', stack: error.stack, at: expect.any(Date) as Date, attempt: 1 };
      expect(task.failures).toEqual([failure]);
      expect((await Email.findById(task._id))!.failures).toEqual([failure]);
    });

    it('keeps nothing when no error is given', async () => {
      const task = await popped();

      await task.fail();

      expect(task.failures).toEqual([]);
      expect((await stored(Email, task._id))['state']).toBe('FAILED');
    });

    it("by the producer's handle is a failure without an attempt", async () => {
      const email = await Email.push({ to: 'ada@example.org' });

      await email.fail('withdrawn');

      expect(email.failures).toMatchObject([{ message: 'withdrawn', attempt: 0 }]);
      expect(await Email.pop()).toBeNull();
    });

    it.each([
      ['a text', 'no such mailbox', 'no such mailbox'],
      ['a number', 550, '550'],
      ['null', null, 'null'],
      ['an object', { code: 550 }, 'no message that can be read: [object Object]'],
      ['an object with a message', { message: 'no such mailbox', code: 550 }, 'no such mailbox'],
      ['an object without a text', Object.create(null), 'no message that can be read'],
      ['an error whose message is no text', Object.assign(new Error('x'), { message: { code: 550 } }), 'no message'],
      ['an error of another realm', runInNewContext('new Error("no such mailbox")'), 'no such mailbox'],
    ])('takes %s for an error', async (_kind, error, message) => {
      const task = await popped();

      await task.fail(error);

      expect(task.failures).toMatchObject([{ message: expect.stringContaining(message) as string }]);
    });

    it('keeps the stack of an error of another realm', async () => {
      const task = await popped();

      await task.fail(runInNewContext('new Error("no such mailbox")'));

      expect(task.failures).toMatchObject([{ message: 'no such mailbox', stack: expect.any(String) as string }]);
    });

    it('bounds what it keeps of an error', async () => {
      const task = await popped();
      const error = new Error('m'.repeat(100_000));
      error.stack = 's'.repeat(100_000);

      await task.fail(error);

      const [failure] = (await stored(Email, task._id))['_task'].errors;
      expect([failure.message.length, failure.stack.length]).toEqual([2_000, 8_000]);
    });

    it('does not undo a finish', async () => {
      const task = await popped();
      await task.finish();

      const fail = task.fail(new Error('too late'));

      await expect(fail).rejects.toThrow(TaskStateError);
      await expect(fail).rejects.toMatchObject({ state: State.FINISHED });
      expect(task.state).toBe(State.FINISHED);
      expect(task.failures).toEqual([]);
    });
  });

  describe('retry', () => {
    it('puts the task back after the backoff, and keeps attempts and error', async () => {
      const task = await popped();
      const before = Date.now();

      await task.retry({ error: new Error('mailbox busy') });

      expect(seen(task)).toMatchObject({ state: State.CREATED, lease: null, attempts: 1 });
      expect(task.failures).toMatchObject([{ message: 'mailbox busy', attempt: 1 }]);
      const { _task } = await stored(Email, task._id);
      expect(_task.dueAt).toEqual(_task.availableAt);
      expectBetween(_task.dueAt.getTime() - hour, before, Date.now());
      expect(await Email.pop()).toBeNull();
    });

    it('with `delayMs` waits as long as that', async () => {
      const task = await popped();

      await task.retry({ delayMs: 0 });

      expect(seen(await Email.pop())).toMatchObject({ id: task.id, attempts: 2 });
    });

    it('fails a task that has used its attempts', async () => {
      await Email.push({ to: 'ada@example.org' });
      for (const attempt of [1, 2, 3]) await (await Email.pop())!.retry({ delayMs: 0, error: `attempt ${attempt}` });

      const [task] = await Email.find();
      expect(task!.state).toBe(State.FAILED);
      expect(task!.failures.map(({ message, attempt }) => [message, attempt])).toEqual([
        ['attempt 1', 1],
        ['attempt 2', 2],
        ['attempt 3', 3],
      ]);
    });

    it('keeps the last ten failures', async () => {
      const Stubborn = database.connection.model('Stubborn', taskQueue(new Schema({}), { maxAttempts: 20 }));
      await Stubborn.push({});

      for (let attempt = 1; attempt <= 12; attempt++) {
        await (await Stubborn.pop())!.retry({ delayMs: 0, error: `attempt ${attempt}` });
      }

      const [task] = await Stubborn.find();
      expect(task!.failures.map(({ attempt }) => attempt)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    });

    it('keeps the changes of the attempt', async () => {
      const task = await popped();

      task.size = 3;
      await task.retry({ delayMs: 0 });

      expect((await Email.pop())?.size).toBe(3);
    });

    it.each([-1, 1.5, '1'])('refuses the delay %p, and goes on holding the task', async (delayMs) => {
      const task = await popped();

      await expect(task.retry({ delayMs: delayMs as never })).rejects.toThrow(InvalidOptionError);

      expect(task.lease).not.toBeNull();
    });

    it.each([Number.NaN, Number.POSITIVE_INFINITY, 'soon'])('says so when the backoff returns %p', async (wait) => {
      const name = `Backoff${String(wait)}`;
      const Task = database.connection.model(name, taskQueue(new Schema({}), { backoff: () => wait as never }));
      await Task.push({});
      const task = (await Task.pop())!;

      const retry = task.retry();

      await expect(retry).rejects.toThrow(InvalidOptionError);
      await expect(retry).rejects.toThrow('backoff');
      expect(task.lease).not.toBeNull();
    });
  });

  describe('release', () => {
    it('puts the task back at its place, and does not count the attempt', async () => {
      const task = await popped();
      await Email.push({ to: 'second' });

      await task.release();

      expect(seen(task)).toMatchObject({ state: State.CREATED, lease: null, attempts: 0 });
      expect((await Email.pop())?.lease).toMatchObject({ attempt: 1, fence: 2 });
    });

    it('can be done as often as wanted', async () => {
      await Email.push({ to: 'ada@example.org' });

      for (let time = 0; time < 5; time++) await (await Email.pop())!.release();

      expect(seen(await Email.pop())).toMatchObject({ attempts: 1, failures: [] });
    });
  });

  describe('renew', () => {
    it('extends the lease from now on, and says until when', async () => {
      const task = await popped();
      const lease = task.lease!;
      const before = Date.now();

      const renewed = await task.renew(hour);

      expect(renewed).toEqual({ ...lease, until: expect.any(Date) as Date });
      expect(task.lease).toEqual(renewed);
      expectBetween(renewed.until.getTime() - hour, before, Date.now());
      expect((await stored(Email, task._id))['_task'].availableAt).toEqual(renewed.until);
    });

    it('uses the lease of the model when no length is given', async () => {
      const task = await popped();
      await endLease(Email, task._id);
      const before = Date.now();

      const { until } = await task.renew();

      expectBetween(until.getTime() - 300_000, before, Date.now());
    });

    it('does not save changes', async () => {
      const task = await popped();
      task.size = 3;

      await task.renew();

      expect(task.modifiedPaths()).toEqual(['size']);
      expect(await stored(Email, task._id)).not.toHaveProperty('size');
    });

    it.each([0, -1, 1.5, 2 ** 31, '1'])('refuses the length %p', async (leaseMs) => {
      const task = await popped();

      await expect(task.renew(leaseMs as never)).rejects.toThrow(InvalidOptionError);
    });
  });

  const verbs = ['finish', 'fail', 'retry', 'release', 'renew'] as const;

  describe.each(verbs)('%s', (verb) => {
    it('is refused when the lease was lost to somebody else, and writes nothing', async () => {
      const { first, second } = await takenOver();
      const before = await stored(Email, first._id);
      first.size = 3;

      const settle = first[verb]();

      await expect(settle).rejects.toThrow(LeaseLostError);
      await expect(settle).rejects.toMatchObject({ taskId: first._id });
      expect(await stored(Email, first._id)).toEqual(before);
      await second.finish();
      expect((await stored(Email, first._id))['state']).toBe('FINISHED');
    });

    it('is refused when somebody else took over and settled', async () => {
      const { first, second } = await takenOver();
      await second.finish();
      const before = await stored(Email, first._id);

      await expect(first[verb]()).rejects.toThrow(LeaseLostError);

      expect(await stored(Email, first._id)).toEqual(before);
    });

    it('is refused when the task was pushed again meanwhile', async () => {
      const { first, second } = await takenOver();
      await second.finish();
      await second.push();
      const before = await stored(Email, first._id);

      await expect(first[verb]()).rejects.toThrow(LeaseLostError);

      expect(await stored(Email, first._id)).toEqual(before);
    });

    it('is refused when the task was deleted', async () => {
      const task = await popped();
      await Email.deleteOne({ _id: task._id });

      await expect(task[verb]()).rejects.toThrow(TaskStateError);
    });
  });

  it.each(['finish', 'fail'] as const)('%s is refused while somebody else holds the task', async (verb) => {
    const email = await Email.push({ to: 'ada@example.org' });
    await Email.pop();
    const before = await stored(Email, email._id);

    await expect(email[verb]()).rejects.toThrow(LeaseLostError);

    expect(await stored(Email, email._id)).toEqual(before);
  });

  it.each(['retry', 'release', 'renew'] as const)('%s is refused without a lease', async (verb) => {
    const email = await Email.push({ to: 'ada@example.org' });

    await expect(email[verb]()).rejects.toThrow(TaskStateError);
  });

  it.each(['retry', 'release', 'renew'] as const)('%s is refused after the task was settled', async (verb) => {
    const task = await popped();
    await task.finish();

    await expect(task[verb]()).rejects.toThrow(TaskStateError);

    expect((await stored(Email, task._id))['state']).toBe('FINISHED');
  });

  it('keeps what others keep in `_task`', async () => {
    const task = await popped();
    await rawUpdate(Email, task._id, { $set: { '_task.armed': { mark: 1 } } });

    task.size = 3;
    await task.finish();
    await task.push();

    expect((await stored(Email, task._id))['_task'].armed).toEqual({ mark: 1 });
  });
});
