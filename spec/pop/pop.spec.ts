import { Schema, Types } from 'mongoose';
import { InvalidOptionError, Priority, State, taskQueue } from 'mongoose-task-queue';
import { expectBetween } from '../support/between';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { endLease, nativeOf, rawUpdate, stored } from '../support/raw';
import { seen } from '../support/seen';

describe('pop', () => {
  const database = useDatabase();
  const makeEmail = () =>
    database.connection.model('Email', taskQueue(new Schema({ to: String }), { category: true, leaseMs: 60_000 }));
  let Email: ReturnType<typeof makeEmail>;

  beforeAll(() => {
    Email = makeEmail();
  });

  beforeEach(async () => {
    await Email.deleteMany({});
  });

  const drain = async (options = {}) => {
    const popped: (string | null | undefined)[] = [];
    for (let task = await Email.pop(options); task; task = await Email.pop(options)) popped.push(task.to);
    return popped;
  };

  it("hands out the task RUNNING, with a lease by the server's clock", async () => {
    const email = await Email.push({ to: 'ada@example.org' });
    expect([email.lease, email.attempts, email.failures]).toEqual([null, 0, []]);
    const before = Date.now();

    const task = (await Email.pop())!;

    expect(seen(task)).toMatchObject({ id: email.id, to: 'ada@example.org', state: State.RUNNING, attempts: 1 });
    const raw = await stored(Email, email._id);
    const { token, attempt, fence, until } = task.lease!;
    expect({ attempt, fence, until }).toEqual({ attempt: 1, fence: 1, until: raw['_task'].availableAt });
    expect(raw['_task'].token).toEqual(new Types.ObjectId(token));
    expectBetween(until.getTime() - 60_000, before, Date.now());
    expect(raw['_task'].startedAt).toEqual(new Date(until.getTime() - 60_000));
  });

  it('returns null when there is nothing', async () => {
    expect(await Email.pop()).toBeNull();
    expect(await Email.popMany(10)).toEqual([]);
    expect(await Email.isEmpty()).toBe(true);
  });

  it('returns null for documents that were saved and never pushed', async () => {
    await new Email({ to: 'ada@example.org' }).save();

    expect(await Email.pop()).toBeNull();
    expect(await Email.isEmpty()).toBe(true);
  });

  it('takes the higher priority first, and within it who came first', async () => {
    for (const to of ['low 1', 'low 2']) await Email.push({ to, priority: Priority.LOW });
    for (const to of ['high 1', 'high 2']) await Email.push({ to, priority: Priority.HIGH });
    for (const to of ['medium 1', 'medium 2']) await Email.push({ to });
    for (const to of ['lowest']) await Email.push({ to, priority: -100 });
    for (const to of ['highest']) await Email.push({ to, priority: 100 });

    expect(await drain()).toEqual(['highest', 'high 1', 'high 2', 'medium 1', 'medium 2', 'low 1', 'low 2', 'lowest']);
  });

  it('keeps the order of pushes also within one millisecond', async () => {
    const names = Array.from({ length: 30 }, (_, index) => String(index));
    for (const to of names) await Email.push({ to });
    // All of one time, so that only the ids tell which came first.
    await nativeOf(Email).updateMany({}, { $set: { '_task.availableAt': new Date(0) } });

    expect(await drain()).toEqual(names);
  });

  it('does not hand out a task that is held', async () => {
    await Email.push({ to: 'ada@example.org' });
    await Email.pop();

    expect(await Email.pop()).toBeNull();
    expect(await Email.isEmpty()).toBe(true);
  });

  it('hands a task whose lease ended to the next', async () => {
    const email = await Email.push({ to: 'ada@example.org' });
    const first = (await Email.pop())!;
    await endLease(Email, email._id);

    const second = (await Email.pop())!;

    expect(second.lease).toMatchObject({ attempt: 2, fence: 2 });
    expect(second.lease!.token).not.toBe(first.lease!.token);
  });

  it('hands each task to exactly one of many claimers on two connections', async () => {
    const other = await openConnection(database.uri);
    const Other = other.model('Email', taskQueue(new Schema({ to: String }), { category: true }));
    await Email.push(Array.from({ length: 50 }, (_, index) => ({ to: String(index) })));

    const popped = await Promise.all(Array.from({ length: 60 }, (_, index) => (index % 2 ? Email : Other).pop()));

    const ids = popped.filter((task) => task !== null).map(({ id }) => id as string);
    expect(ids).toHaveLength(50);
    expect(new Set(ids).size).toBe(50);
  });

  it('is not empty while something can be popped', async () => {
    await Email.push({ to: 'later' }, { delayMs: 60_000 });
    expect(await Email.isEmpty()).toBe(true);

    await Email.push({ to: 'now' });

    expect(await Email.isEmpty()).toBe(false);
  });

  it('hands it out without changes', async () => {
    await Email.push({ to: 'ada@example.org' });

    const task = (await Email.pop())!;

    expect(task.isModified()).toBe(false);
    expect(task.isNew).toBe(false);
  });

  describe('of a category', () => {
    beforeEach(async () => {
      await Email.push([
        { to: 'a1', category: 'a' },
        { to: 'b1', category: 'b' },
        { to: 'none' },
        { to: 'c1', category: 'c' },
        { to: 'a2', category: 'a' },
        { to: 'b2', category: 'b', priority: Priority.HIGH },
      ]);
    });

    it('takes only its tasks', async () => {
      expect(await drain({ category: 'a' })).toEqual(['a1', 'a2']);
    });

    it.each([
      ['an array', ['a', 'b']],
      ['a Set', new Set(['a', 'b'])],
      ['an array with one of them twice', ['b', 'a', 'b']],
    ])('takes those of several, given as %s, by priority and age', async (_kind, category) => {
      expect(await drain({ category })).toEqual(['b2', 'a1', 'b1', 'a2']);
    });

    it('takes all when none is named', async () => {
      expect(await drain()).toEqual(['b2', 'a1', 'b1', 'none', 'c1', 'a2']);
    });

    it('takes many of it', async () => {
      const tasks = await Email.popMany(3, { category: ['a', 'b'] });

      expect(tasks.map(({ to }) => to)).toEqual(['b2', 'a1', 'b1']);
    });

    it('tells whether it is empty', async () => {
      expect(await Email.isEmpty({ category: 'c' })).toBe(false);
      expect(await Email.isEmpty({ category: 'd' })).toBe(true);
    });

    it.each([[[]], [new Set()], [5], [['a', 5]], [null]])('refuses %p', async (category) => {
      await expect(Email.pop({ category: category as never })).rejects.toThrow(InvalidOptionError);
    });

    it('refuses one where tasks have none', async () => {
      const Plain = database.connection.model('Plain', taskQueue(new Schema({ to: String })));

      await expect(Plain.pop({ category: 'a' } as never)).rejects.toThrow('`taskQueue(schema, { category: true })`');
    });
  });

  describe('of many', () => {
    it('takes up to the limit, each with a lease of its own task', async () => {
      await Email.push(Array.from({ length: 5 }, (_, index) => ({ to: String(index) })));

      const tasks = await Email.popMany(3);

      expect(tasks.map(({ to, state, attempts }) => ({ to, state, attempts }))).toEqual(
        ['0', '1', '2'].map((to) => ({ to, state: State.RUNNING, attempts: 1 })),
      );
      expect(tasks.map(({ lease }) => lease?.fence)).toEqual([1, 1, 1]);
      expect((await Email.popMany(10)).map(({ to }) => to)).toEqual(['3', '4']);
    });

    it('gives tasks that are settled one by one', async () => {
      await Email.push([{ to: 'a' }, { to: 'b' }, { to: 'c' }]);
      const [a, b, c] = await Email.popMany(3);

      await a!.finish();
      await b!.fail('no such mailbox');
      await c!.release();

      const found = await Email.find().sort({ to: 1 });
      expect(found.map(({ state }) => state)).toEqual([State.FINISHED, State.FAILED, State.CREATED]);
    });

    it.each([0, -1, 1.5, 1_001, '5', undefined])('refuses the limit %p', async (limit) => {
      await expect(Email.popMany(limit as never)).rejects.toThrow(InvalidOptionError);
    });
  });

  it('refuses an option it does not know', async () => {
    await expect(Email.pop({ categories: ['a'] } as never)).rejects.toThrow('Did you mean `category`?');
  });

  describe('of a task that has used its attempts', () => {
    const makeFragile = () =>
      database.connection.model('Fragile', taskQueue(new Schema({ to: String }), { maxAttempts: 2 }));
    let Fragile: ReturnType<typeof makeFragile>;

    beforeAll(() => {
      Fragile = makeFragile();
    });

    beforeEach(async () => {
      await Fragile.deleteMany({});
    });

    it('fails it when its lease ended, records why, and goes on to the next', async () => {
      const fragile = await Fragile.push({ to: 'fragile' });
      await crash(2);
      await Fragile.push({ to: 'next' });

      const next = await Fragile.pop();

      expect(next?.to).toBe('next');
      const raw = await stored(Fragile, fragile._id);
      expect(raw['state']).toBe('FAILED');
      expect(raw['_task']).toMatchObject({ attempts: 2, claims: 3, settledAt: expect.any(Date) as Date });
      expect(raw['_task'].errors).toEqual([
        {
          message: expect.stringContaining('lease of the last attempt ended') as string,
          at: expect.any(Date) as Date,
          attempt: 2,
        },
      ]);
      const handle = (await Fragile.findById(fragile._id))!;
      expect(handle.failures).toHaveLength(1);
    });

    it('fails it also when who was about to do so crashed', async () => {
      const { _id } = await Fragile.push({ to: 'fragile' });
      await crash(2);
      const crashed = { '_task.attempts': 3, '_task.token': new Types.ObjectId(), '_task.availableAt': new Date(0) };
      await nativeOf(Fragile).updateOne({ _id }, { $set: crashed });

      expect(await Fragile.pop()).toBeNull();

      const raw = await stored(Fragile, _id);
      expect(raw).toMatchObject({ state: 'FAILED', _task: { attempts: 2 } });
      expect(raw['_task'].errors).toHaveLength(1);
    });

    it('fails all of them on the way, also in a claim of many', async () => {
      await Fragile.push([{ to: 'a' }, { to: 'b' }, { to: 'c' }]);
      await crash(2);
      await Fragile.push({ to: 'next' });

      const tasks = await Fragile.popMany(3);

      expect(tasks.map(({ to }) => to)).toEqual(['next']);
      expect(await Fragile.countDocuments({ state: State.FAILED })).toBe(3);
    });

    it('leaves the time of its expiry alone', async () => {
      const fragile = await Fragile.push({ to: 'fragile' });
      const { expiresFrom } = (await stored(Fragile, fragile._id))['_task'];
      await crash(2);

      await Fragile.pop();

      expect((await stored(Fragile, fragile._id))['_task'].expiresFrom).toEqual(expiresFrom);
    });

    it('starts again at attempt 1 when it was put back by hand', async () => {
      const fragile = await Fragile.push({ to: 'fragile' });
      await crash(2);
      expect(await Fragile.pop()).toBeNull();
      await rawUpdate(Fragile, fragile._id, { $set: { state: 'CREATED' } });

      const again = (await Fragile.pop())!;

      expect(again.lease).toMatchObject({ attempt: 1, fence: 4 });
    });

    /** Each time all that can be popped is popped, and its holder never comes back. */
    async function crash(times: number): Promise<void> {
      for (let time = 0; time < times; time++) {
        await Fragile.popMany(10);
        await nativeOf(Fragile).updateMany({ state: 'RUNNING' }, { $set: { '_task.availableAt': new Date(0) } });
      }
    }
  });
});
