import { Schema } from 'mongoose';
import { InvalidOptionError, Priority, State, taskQueue, TaskStateError } from 'mongoose-task-queue';
import { monitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { rawUpdate, stored } from '../support/raw';
import { seen } from '../support/seen';

describe('push', () => {
  const database = useDatabase();
  const emailSchema = () => new Schema({ to: { type: String, required: true }, size: Number });
  const makeEmail = (connection = database.connection) => connection.model('Email', taskQueue(emailSchema()));
  let Email: ReturnType<typeof makeEmail>;

  beforeAll(() => {
    Email = makeEmail();
  });

  beforeEach(async () => {
    await Email.deleteMany({});
  });

  describe('of a document', () => {
    it('stores it as CREATED, of medium priority, and returns it', async () => {
      const email = new Email({ to: 'ada@example.org' });

      const pushed = await email.push();

      expect(pushed).toBe(email);
      expect(seen(email)).toMatchObject({ isNew: false, state: State.CREATED, priority: Priority.MEDIUM });
      const raw = await stored(Email, email._id);
      expect(raw).toMatchObject({ to: 'ada@example.org', state: 'CREATED', priority: 2, __v: 0 });
      expect(raw['createdAt']).toBeInstanceOf(Date);
    });

    it('leaves nothing modified, so that a save after it writes nothing', async () => {
      const email = await new Email({ to: 'ada@example.org' }).push();

      expect(email.modifiedPaths()).toEqual([]);
      expect(email.directModifiedPaths()).toEqual([]);
    });

    it('refuses one that is not valid, and leaves it new and PENDING', async () => {
      const email = new Email({ size: 3 });

      await expect(email.push()).rejects.toThrow('Path `to` is required');

      expect(seen(email)).toMatchObject({ isNew: true, state: State.PENDING });
      expect(await Email.countDocuments()).toBe(0);
    });

    it('works after it was refused and put right', async () => {
      const email = new Email({ size: 3 });
      await expect(email.push()).rejects.toThrow('Path `to` is required');

      email.to = 'ada@example.org';
      await email.push();

      expect((await Email.pop())?.to).toBe('ada@example.org');
    });

    it('queues one that was saved before', async () => {
      const email = await new Email({ to: 'ada@example.org' }).save();

      await email.push();

      expect(email.state).toBe(State.CREATED);
      expect((await Email.pop())?.id).toBe(email.id);
    });

    it('saves the changes of a task that waits, which keeps its place', async () => {
      const first = await Email.push({ to: 'first' });
      await Email.push({ to: 'second' });

      first.to = 'changed';
      await first.push();

      expect((await Email.pop())?.to).toBe('changed');
    });

    it('changes the priority of a task that waits', async () => {
      await Email.push({ to: 'first' });
      const second = await Email.push({ to: 'second' });

      second.priority = Priority.HIGH;
      await second.push();

      expect((await Email.pop())?.to).toBe('second');
    });

    it('delays a task that waits when it is pushed with a delay', async () => {
      const first = await Email.push({ to: 'first' });
      await Email.push({ to: 'second' });

      await first.push({ delayMs: 60_000 });

      expect((await Email.pop())?.to).toBe('second');
      expect(await Email.pop()).toBeNull();
    });

    it('finds out that a task which this handle takes for CREATED has been finished, and queues it again', async () => {
      const email = await Email.push({ to: 'ada@example.org' });
      await (await Email.pop())?.finish();

      await email.push();

      expect(seen(await Email.pop())).toMatchObject({ id: email.id, attempts: 1 });
    });

    it('refuses a running task, also to its holder, and changes nothing', async () => {
      const email = await Email.push({ to: 'ada@example.org' });
      const held = (await Email.pop())!;
      const before = await stored(Email, email._id);

      email.to = 'producer';
      held.to = 'holder';
      const byProducer = email.push();
      await expect(byProducer).rejects.toThrow(TaskStateError);
      await expect(byProducer).rejects.toMatchObject({ state: State.RUNNING, taskId: email._id });
      await expect(held.push()).rejects.toThrow(TaskStateError);

      expect(await stored(Email, email._id)).toEqual(before);
      expect(held.lease).not.toBeNull();
    });

    it('refuses a task that was deleted', async () => {
      const email = await Email.push({ to: 'ada@example.org' });
      await Email.deleteOne({ _id: email._id });

      const push = email.push();

      await expect(push).rejects.toThrow(TaskStateError);
      await expect(push).rejects.toMatchObject({
        message: expect.stringContaining('was deleted') as string,
        state: null,
      });
    });
  });

  describe('again', () => {
    it.each([State.FINISHED, State.FAILED] as const)('queues a %s task with its attempts from 0', async (state) => {
      const email = await Email.push({ to: 'ada@example.org' });
      const held = (await Email.pop())!;
      if (state === State.FINISHED) await held.finish();
      else await held.fail(new Error('no such mailbox'));

      await held.push();

      expect(seen(held)).toMatchObject({ state: State.CREATED, attempts: 0, failures: [], lease: null });
      expect(seen(await Email.pop())).toMatchObject({ id: email.id, attempts: 1, failures: [] });
    });

    it('goes on counting the fencing number', async () => {
      await Email.push({ to: 'ada@example.org' });
      const held = (await Email.pop())!;
      expect(held.lease?.fence).toBe(1);
      await held.finish();
      await held.push();

      expect((await Email.pop())?.lease).toMatchObject({ attempt: 1, fence: 2 });
    });

    it('counts the time to its expiry from this push', async () => {
      const email = await Email.push({ to: 'ada@example.org' });
      await rawUpdate(Email, email._id, { $set: { '_task.expiresFrom': new Date(0) } });
      await email.finish();

      await email.push();

      const { _task } = await stored(Email, email._id);
      expect(_task.expiresFrom.getTime()).toBeGreaterThan(Date.now() - 60_000);
    });

    it('takes its place behind those that wait', async () => {
      const first = await Email.push({ to: 'first' });
      await Email.push({ to: 'second' });
      await first.finish();

      await first.push();

      expect((await Email.pop())?.to).toBe('second');
    });
  });

  describe('by the static', () => {
    it('makes a document of the fields it is given', async () => {
      const email = await Email.push({ to: 'ada@example.org', size: 3, priority: Priority.HIGH });

      expect(email).toBeInstanceOf(Email);
      expect(await stored(Email, email._id)).toMatchObject({ state: 'CREATED', priority: 3, size: 3 });
    });

    it('takes a document of the model as well', async () => {
      const email = new Email({ to: 'ada@example.org' });

      expect(await Email.push(email)).toBe(email);
    });

    it.each([null, 'ada@example.org', 5])('refuses %p', async (input) => {
      await expect(Email.push(input as never)).rejects.toThrow(InvalidOptionError);
    });

    it.each([101, -101, 1.5, Number.NaN, '2', null])('refuses the priority %p', async (priority) => {
      const push = Email.push({ to: 'ada@example.org', priority: priority as never });

      await expect(push).rejects.toThrow(InvalidOptionError);
      await expect(push).rejects.toThrow('`priority` to be a whole number from -100 to 100');
      expect(await Email.countDocuments()).toBe(0);
    });

    it('refuses a wrong priority of a document', async () => {
      const email = new Email({ to: 'ada@example.org', priority: 2.5 });

      await expect(email.push()).rejects.toThrow(InvalidOptionError);
      expect(email.isNew).toBe(true);
    });

    it('refuses a category where tasks have none', async () => {
      const push = Email.push({ to: 'ada@example.org', category: 'news' } as never);

      await expect(push).rejects.toThrow('Write `taskQueue(schema, { category: true })`');
    });
  });

  describe('of many', () => {
    it('hands them out in the order they were pushed', async () => {
      const names = Array.from({ length: 20 }, (_, index) => `${index}@example.org`);

      const pushed = await Email.push(names.map((to) => ({ to })));

      expect(pushed.map(({ to }) => to)).toEqual(names);
      expect((await Email.popMany(20)).map(({ to }) => to)).toEqual(names);
    });

    it('sends one insert for each thousand', async () => {
      const monitored = await monitoredConnection(database.uri);
      const Monitored = makeEmail(monitored.connection);
      await Monitored.init();
      monitored.forget();

      await Monitored.push(Array.from({ length: 2_500 }, (_, index) => ({ to: `${index}@example.org` })));

      const sizes = monitored.sent('insert').map(({ body }) => (body['documents'] as unknown[]).length);
      expect(sizes).toEqual([1_000, 1_000, 500]);
      expect(await Email.countDocuments({ state: State.CREATED })).toBe(2_500);
    });

    it('returns nothing for nothing', async () => {
      expect(await Email.push([])).toEqual([]);
    });

    it('writes none of them when one is not valid', async () => {
      const push = Email.push([{ to: 'ada@example.org' }, { size: 3 } as never]);

      await expect(push).rejects.toThrow('Path `to` is required');
      expect(await Email.countDocuments()).toBe(0);
    });

    it('names those that were inserted before the server refused one', async () => {
      const { _id } = await new Email({ to: 'taken' }).save();
      const emails = [{ to: 'a' }, { to: 'b' }, { to: 'c', _id }, { to: 'd' }].map((fields) => new Email(fields));

      await expect(Email.push(emails)).rejects.toMatchObject({ code: 11_000, insertedDocs: emails.slice(0, 2) });

      expect(emails.map(({ isNew }) => isNew)).toEqual([false, false, true, true]);
      expect(emails.map(({ state }) => state)).toEqual(['CREATED', 'CREATED', 'PENDING', 'PENDING']);
    });

    it('queues new and stored documents together', async () => {
      const saved = await new Email({ to: 'saved' }).save();

      await Email.push([saved, new Email({ to: 'new' })]);

      expect((await Email.popMany(5)).map(({ to }) => to)).toEqual(['saved', 'new']);
    });
  });

  describe('at a later time', () => {
    it('with `delayMs` hands the task out only when it is due', async () => {
      const email = await Email.push({ to: 'ada@example.org' }, { delayMs: 60_000 });
      expect(await Email.pop()).toBeNull();
      const { availableAt, dueAt, expiresFrom } = (await stored(Email, email._id))['_task'];
      expect(availableAt.getTime()).toBeGreaterThan(Date.now() + 50_000);
      expect([dueAt, expiresFrom]).toEqual([availableAt, availableAt]);

      await rawUpdate(Email, email._id, { $set: { '_task.availableAt': new Date() } });

      expect((await Email.pop())?.id).toBe(email.id);
    });

    it('with `runAt` is due at that time', async () => {
      const runAt = new Date(Date.now() + 3_600_000);

      const email = await Email.push({ to: 'ada@example.org' }, { runAt });

      expect((await stored(Email, email._id))['_task']).toMatchObject({ availableAt: runAt, dueAt: runAt });
      expect(await Email.pop()).toBeNull();
    });

    it('with a `runAt` in the past does not overtake those that have waited longer', async () => {
      await Email.push({ to: 'first' });
      await Email.push({ to: 'second' }, { runAt: new Date(0) });

      expect((await Email.popMany(2)).map(({ to }) => to)).toEqual(['first', 'second']);
    });

    it('delays all of many', async () => {
      await Email.push([{ to: 'a' }, { to: 'b' }], { delayMs: 60_000 });

      expect(await Email.popMany(2)).toEqual([]);
    });

    it.each([
      [{ delayMs: -1 }, '`delayMs` to be a whole number'],
      [{ delayMs: 1.5 }, '`delayMs` to be a whole number'],
      [{ delayMs: '1' }, '`delayMs` to be a whole number'],
      [{ runAt: '2030-01-01' }, '`runAt` to be a valid Date'],
      [{ runAt: new Date(Number.NaN) }, '`runAt` to be a valid Date'],
      [{ delayMs: 1, runAt: new Date(0) }, '`delayMs` or `runAt`, got both'],
      [{ key: '' }, '`key` to be a text'],
      [{ delay: 1 }, 'Did you mean `delayMs`?'],
    ])('refuses %j', async (options, message) => {
      const push = Email.push({ to: 'ada@example.org' }, options as never);

      await expect(push).rejects.toThrow(InvalidOptionError);
      await expect(push).rejects.toThrow(message);
      expect(await Email.countDocuments()).toBe(0);
    });
  });
});
