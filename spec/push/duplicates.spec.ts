import { Schema } from 'mongoose';
import { LeaseLostError, pushOutcome, State, taskQueue } from 'mongoose-task-queue';
import { monitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { beforeNext } from '../support/interleave';
import { endLease, nativeOf, rawUpdate, stored } from '../support/raw';
import { seen } from '../support/seen';

const key = 'report-7';
const MODES = ['replace', 'debounce', 'after'] as const;

describe('push with onDuplicate', () => {
  const database = useDatabase();
  const makeReport = () =>
    database.connection.model(
      'Report',
      taskQueue(new Schema({ number: Number, name: String, tags: [String], page: { size: Number } }), {
        backoff: () => 0,
      }),
    );
  let Report: ReturnType<typeof makeReport>;

  beforeAll(() => {
    Report = makeReport();
  });

  beforeEach(async () => {
    await Report.deleteMany({});
  });

  const pushAs = (onDuplicate: (typeof MODES)[number] | 'keep' | 'supersede', number: number, more = {}) =>
    Report.push({ number }, { key, onDuplicate, ...(onDuplicate === 'debounce' && { delayMs: 0 }), ...more });
  const live = () => Report.find({ state: { $in: ['CREATED', 'RUNNING'] } }).sort({ number: 1 });

  describe.each(['keep', 'supersede', ...MODES] as const)('%s', (mode) => {
    it('queues the first task of a key', async () => {
      const first = await pushAs(mode, 1);

      expect(seen(first)).toMatchObject({ state: State.CREATED, number: 1 });
      expect(first.pushOutcome).toBe('queued');
      expect((await Report.pop())?.number).toBe(1);
    });

    it.each(['finish', 'fail'] as const)('queues one after `%s()` of the last', async (verb) => {
      await pushAs(mode, 1);
      await (await Report.pop())![verb]();

      const second = await pushAs(mode, 2);

      expect(second.pushOutcome).toBe('queued');
      expect((await Report.pop())?.number).toBe(2);
    });
  });

  it('tells nothing of other documents', async () => {
    await pushAs('keep', 1);

    const popped = (await Report.pop())!;

    expect(popped.pushOutcome).toBeNull();
    expect(pushOutcome(new Report())).toBeNull();
  });

  describe('keep', () => {
    it('returns the live task', async () => {
      const first = await pushAs('keep', 1);

      const second = await pushAs('keep', 2);

      expect(second.id).toBe(first.id);
      expect(second.pushOutcome).toBe('kept');
      expect((await Report.pop())?.number).toBe(1);
    });

    it('returns the one that waits behind a running one', async () => {
      await pushAs('keep', 1);
      await Report.pop();
      const behind = await pushAs('after', 2);

      const kept = await pushAs('keep', 3);

      expect(kept.id).toBe(behind.id);
      expect(kept.pushOutcome).toBe('kept');
      expect(await Report.countDocuments()).toBe(2);
    });

    it('returns the running one whose successor is gone', async () => {
      await pushAs('keep', 1);
      const held = (await Report.pop())!;
      await Report.deleteOne({ _id: (await pushAs('after', 2))._id });

      const kept = await pushAs('keep', 3);

      expect(kept.id).toBe(held.id);
    });
  });

  describe.each(MODES)('%s', (mode) => {
    it('gives a waiting task the new input', async () => {
      const first = await pushAs('keep', 1);

      const second = await pushAs(mode, 2);

      expect(second.id).toBe(first.id);
      expect(seen(second)).toMatchObject({ number: 2, state: State.CREATED, isNew: false });
      expect(second.pushOutcome).toBe('replaced');
      expect((await Report.pop())?.number).toBe(2);
      expect(await Report.countDocuments()).toBe(1);
    });

    it('leaves nothing of the earlier input', async () => {
      const first = await Report.push({ number: 1, name: 'a', tags: ['x', 'y'], page: { size: 3 } }, { key });

      await Report.push({ number: 2, tags: ['z'] }, { key, onDuplicate: mode, delayMs: 0 });

      const { number, name, tags, page } = await stored(Report, first._id);
      expect({ number, name, tags, page }).toEqual({ number: 2, name: undefined, tags: ['z'], page: undefined });
    });

    it('gives a task that waits for a retry the new input, and all its attempts', async () => {
      await pushAs('keep', 1);
      await (await Report.pop())!.retry({ delayMs: 0, error: 'no luck' });

      await pushAs(mode, 2);

      expect(seen(await Report.pop())).toMatchObject({ number: 2, attempts: 1 });
    });

    it('lets one task wait behind one that runs, until it has ended', async () => {
      await pushAs('keep', 1);
      const held = (await Report.pop())!;

      const behind = await pushAs(mode, 2);

      expect(behind.pushOutcome).toBe('behind');
      expect(await Report.pop()).toBeNull();
      await held.finish();
      expect((await Report.pop())?.id).toBe(behind.id);
    });

    it('gives the one behind the input that came last', async () => {
      await pushAs('keep', 1);
      const held = (await Report.pop())!;
      const behind = await pushAs(mode, 2);

      const again = await pushAs(mode, 3);

      expect(again.id).toBe(behind.id);
      expect(again.pushOutcome).toBe('replaced');
      await held.fail(new Error('no luck'));
      expect((await Report.pop())?.number).toBe(3);
    });

    it.each(['retry', 'release'] as const)(
      'lets the earlier one go on after `%s()`, and then the other',
      async (verb) => {
        await pushAs('keep', 1);
        const held = (await Report.pop())!;
        await pushAs(mode, 2);

        await held[verb](verb === 'retry' ? { delayMs: 0 } : {});

        const again = (await Report.pop())!;
        expect(again.number).toBe(1);
        expect(await Report.pop()).toBeNull();
        await again.finish();
        expect((await Report.pop())?.number).toBe(2);
      },
    );

    it('puts one that is claimed too early back', async () => {
      await pushAs('keep', 1);
      const held = (await Report.pop())!;
      const behind = await pushAs(mode, 2);
      await rawUpdate(Report, behind._id, { $set: { '_task.availableAt': new Date(0) } });

      expect(await Report.pop()).toBeNull();

      const { state, _task: task } = await stored(Report, behind._id);
      expect(state).toBe('CREATED');
      expect(task).toMatchObject({ attempts: 0, behind: expect.anything() });
      await held.finish();
      expect((await Report.pop())?.number).toBe(2);
    });

    it('starts the one behind when nobody has let it go', async () => {
      await pushAs('keep', 1);
      const held = (await Report.pop())!;
      const behind = await pushAs(mode, 2);
      await Report.deleteOne({ _id: held._id });
      expect(await Report.pop()).toBeNull();
      await endLease(Report, behind._id);

      expect((await Report.pop())?.number).toBe(2);
    });

    it('lets the earlier one be taken over, and then the other start', async () => {
      await pushAs('keep', 1);
      const held = (await Report.pop())!;
      await pushAs(mode, 2);
      await endLease(Report, held._id);

      const again = (await Report.pop())!;

      expect(again.number).toBe(1);
      await expect(held.finish()).rejects.toThrow(LeaseLostError);
      expect(await Report.pop()).toBeNull();
      await again.finish();
      expect((await Report.pop())?.number).toBe(2);
    });

    it('gives a finished task its key back', async () => {
      await pushAs('keep', 1);
      const held = (await Report.pop())!;
      await pushAs(mode, 2);
      expect((await stored(Report, held._id))['_task'].key).toEqual({ running: key });

      await held.finish();

      expect((await stored(Report, held._id))['_task']).toMatchObject({ key });
      expect((await stored(Report, held._id))['_task']).not.toHaveProperty('aside');
    });

    it('queues a stored document behind one that runs', async () => {
      const own = await Report.push({ number: 2 });
      await own.finish();
      await pushAs('keep', 1);
      const held = (await Report.pop())!;

      const pushed = await own.push({ key, onDuplicate: mode, delayMs: 0 });

      expect(pushed).toBe(own);
      expect(own.pushOutcome).toBe('behind');
      expect(await Report.pop()).toBeNull();
      await held.finish();
      expect((await Report.pop())?.id).toBe(own.id);
    });

    it('validates the new input, and changes nothing that is wrong', async () => {
      const Strict = strict(database.connection, mode);
      await Strict.push({ name: 'a' }, { key });

      const push = Strict.push({}, { key, onDuplicate: mode, delayMs: 0 });

      await expect(push).rejects.toMatchObject({ name: 'ValidationError' });
      expect((await Strict.pop())?.name).toBe('a');
    });
  });

  describe('supersede', () => {
    it('cancels a waiting task, and starts the new one', async () => {
      const first = await pushAs('keep', 1);

      const second = await pushAs('supersede', 2);

      expect(second.pushOutcome).toBe('superseded');
      expect(await stored(Report, first._id)).toMatchObject({
        state: 'CANCELLED',
        _task: { key, cancel: { reason: `superseded by ${second.id}` } },
      });
      expect((await Report.pop())?.number).toBe(2);
    });

    it('asks a running one to end, and starts the new one then', async () => {
      await pushAs('keep', 1);
      const held = (await Report.pop())!;

      const second = await pushAs('supersede', 2);

      expect(second.pushOutcome).toBe('superseded');
      expect(await Report.pop()).toBeNull();
      await held.retry({ delayMs: 0 });
      expect((await stored(Report, held._id)).state).toBe('CANCELLED');
      expect((await Report.pop())?.number).toBe(2);
    });

    it('lets a running one finish in time', async () => {
      await pushAs('keep', 1);
      const held = (await Report.pop())!;
      await pushAs('supersede', 2);

      await held.finish();

      expect((await stored(Report, held._id)).state).toBe('FINISHED');
      expect((await Report.pop())?.number).toBe(2);
    });

    it('gives the one behind the new input', async () => {
      await pushAs('keep', 1);
      await Report.pop();
      const behind = await pushAs('supersede', 2);

      const again = await pushAs('supersede', 3);

      expect(again.id).toBe(behind.id);
      expect(again.pushOutcome).toBe('replaced');
    });

    it('puts even a `keep` behind one that is to end', async () => {
      await pushAs('keep', 1);
      const held = (await Report.pop())!;
      await Report.deleteOne({ _id: (await pushAs('supersede', 2))._id });

      const kept = await pushAs('keep', 3);

      expect(kept.pushOutcome).toBe('behind');
      await held.release();
      expect((await Report.pop())?.number).toBe(3);
    });
  });

  describe('debounce', () => {
    it('starts the delay of a waiting task again, up to `maxDelayMs` after the first push', async () => {
      const options = { key, onDuplicate: 'debounce', delayMs: 60_000, maxDelayMs: 70_000 } as const;
      const first = await Report.push({ number: 1 }, options);
      const early = new Date(Date.now() - 30_000);
      await rawUpdate(Report, first._id, {
        $set: { '_task.dueAt': early, '_task.availableAt': early, '_task.firstPushAt': early },
      });

      await Report.push({ number: 2 }, options);

      const { _task: task } = await stored(Report, first._id);
      expect(task.dueAt).toEqual(new Date(early.getTime() + 70_000));
      expect(task.availableAt).toEqual(task.dueAt);
      expect(task.expiresFrom).toEqual(task.dueAt);
    });

    it('delays the one behind too', async () => {
      await pushAs('keep', 1);
      const held = (await Report.pop())!;
      const behind = await pushAs('debounce', 2, { delayMs: 60_000 });

      await held.finish();

      expect(await Report.pop()).toBeNull();
      const { _task: task } = await stored(Report, behind._id);
      expect(task.availableAt).toEqual(task.dueAt);
      expect(task).not.toHaveProperty('behind');
    });
  });

  describe('of a recurring task', () => {
    const every = 3_600_000;

    it('updates its data', async () => {
      await Report.push({ number: 1 }, { key, every });

      const second = await Report.push({ number: 2 }, { key, every, onDuplicate: 'replace' });

      expect(second.pushOutcome).toBe('replaced');
      const popped = (await Report.pop())!;
      expect(popped.number).toBe(2);
      await popped.finish();
      expect(popped.state).toBe(State.CREATED);
    });

    it('gives it another schedule', async () => {
      const first = await Report.push({ number: 1 }, { key, every });

      await Report.push({ number: 2 }, { key, every: 60_000, onDuplicate: 'replace' });

      expect((await stored(Report, first._id))['_task'].schedule).toEqual({ every: 60_000 });
    });

    it('goes on as its successor when it runs', async () => {
      const first = await Report.push({ number: 1 }, { key, every });
      const held = (await Report.pop())!;
      const { dueAt } = (await stored(Report, first._id))['_task'];

      const behind = await Report.push({ number: 2 }, { key, onDuplicate: 'replace' });
      await held.finish();

      expect((await stored(Report, first._id)).state).toBe('FINISHED');
      const { state, _task: task } = await stored(Report, behind._id);
      expect(state).toBe('CREATED');
      expect(task).toMatchObject({ schedule: { every }, dueAt: new Date(dueAt.getTime() + every) });
    });

    it('goes on itself when its successor never came', async () => {
      await Report.push({ number: 1 }, { key, every });
      const held = (await Report.pop())!;
      await Report.deleteOne({ _id: (await pushAs('after', 2))._id });

      await held.finish();

      expect(await stored(Report, held._id)).toMatchObject({ state: 'CREATED', _task: { key, schedule: { every } } });
    });

    it('takes the place of one that is superseded', async () => {
      const first = await Report.push({ number: 1 }, { key, every, delayMs: 60_000 });
      const { dueAt } = (await stored(Report, first._id))['_task'];

      const second = await Report.push({ number: 2 }, { key, every, onDuplicate: 'supersede' });

      expect((await stored(Report, first._id)).state).toBe('CANCELLED');
      expect((await stored(Report, second._id))['_task']).toMatchObject({ dueAt, availableAt: dueAt });
    });

    it('ends for good after `unschedule()` of the one that runs, and its successor goes on', async () => {
      await Report.push({ number: 1 }, { key, every });
      const held = (await Report.pop())!;
      const behind = await pushAs('after', 2);

      await held.unschedule();
      await held.finish();

      expect((await stored(Report, held._id)).state).toBe('FINISHED');
      expect((await stored(Report, behind._id))['_task'].schedule).toEqual({ every });
    });
  });

  it('is told by `blockedBy()` of the one behind', async () => {
    await pushAs('keep', 1);
    const held = (await Report.pop())!;
    const behind = await pushAs('after', 2);

    expect(await behind.blockedBy()).toEqual([
      {
        path: null,
        type: 'behind',
        documents: [{ model: 'Report', id: held._id, standing: 'unmet', values: { state: 'RUNNING' } }],
        cycle: null,
      },
    ]);
    await held.finish();
    expect(await behind.blockedBy()).toEqual([]);
  });

  it('keeps a failed task that is requeued behind one that still runs', async () => {
    await pushAs('keep', 1);
    const held = (await Report.pop())!;
    const behind = await pushAs('after', 2);
    await behind.fail(new Error('not needed'));

    expect(await Report.requeue({})).toEqual({ requeued: 1, skipped: 0 });

    expect(await Report.pop()).toBeNull();
    await held.finish();
    expect((await Report.pop())?.number).toBe(2);
  });

  it('puts a waiting task that does not know of the running one behind it', async () => {
    await pushAs('keep', 1);
    const held = (await Report.pop())!;
    const behind = await pushAs('after', 2);
    await rawUpdate(Report, behind._id, { $unset: { '_task.behind': true } });

    await pushAs('after', 3);

    expect(await Report.pop()).toBeNull();
    await held.finish();
    expect((await Report.pop())?.number).toBe(3);
  });

  it.each(['finish', 'fail', 'cancel'] as const)(
    'starts a waiting task that it puts behind one which ends by %s() right before',
    async (verb) => {
      await pushAs('after', 1);
      const running = (await Report.pop())!;
      const waiting = await pushAs('after', 2);
      await rawUpdate(Report, waiting._id, { $unset: { '_task.behind': true } });
      const end = async () => {
        if (verb === 'cancel') await endLease(Report, running._id);
        await running[verb]();
      };
      const replace = beforeNext(Report, 'updateOne', end, (filter) => '_task.behind' in filter);

      const replaced = await pushAs('after', 3);

      expect([replace.happened, replaced.id, replaced.pushOutcome]).toEqual([true, waiting.id, 'replaced']);
      expect((await Report.pop())?.number).toBe(3);
    },
  );

  it('starts a task that was met by a claim before the one that it supersedes was cancelled', async () => {
    await pushAs('keep', 1);
    const meet = async () => {
      const first = (await Report.pop())!;
      expect([first.number, await Report.pop()]).toEqual([1, null]);
      await first.retry({ delayMs: 0, error: 'no luck' });
    };
    const cancel = beforeNext(Report, 'findOneAndUpdate', meet);

    const second = await pushAs('supersede', 2);

    expect([cancel.happened, second.pushOutcome]).toEqual([true, 'superseded']);
    expect((await Report.pop())?.number).toBe(2);
  });

  it('works where save hooks run, and runs them', async () => {
    const schema = new Schema({ number: Number, saves: Number });
    schema.pre('save', function count() {
      this.saves = (this.saves ?? 0) + 1;
    });
    const Hooked = database.connection.model('HookedReport', taskQueue(schema));
    await Hooked.push({ number: 1 }, { key });
    await Hooked.push({ number: 2 }, { key, onDuplicate: 'replace' });
    const held = (await Hooked.pop())!;
    expect(seen(held)).toMatchObject({ number: 2, saves: 1 });

    const behind = await Hooked.push({ number: 3 }, { key, onDuplicate: 'replace' });
    await held.finish();

    expect((await Hooked.pop())?.id).toBe(behind.id);
  });

  it('works with renamed fields and without bound methods', async () => {
    const options = { fields: { state: 'taskState' }, bind: false } as const;
    const Renamed = database.connection.model('RenamedReport', taskQueue(new Schema({ number: Number }), options));
    const { push, pop, finish } = await import('mongoose-task-queue');
    await push(Renamed, { number: 1 }, { key });
    expect(pushOutcome(await push(Renamed, { number: 2 }, { key, onDuplicate: 'replace' }))).toBe('replaced');
    const held = (await pop(Renamed))!;
    expect(pushOutcome(await push(Renamed, { number: 3 }, { key, onDuplicate: 'after' }))).toBe('behind');

    await finish(held);

    expect((await pop(Renamed))?.number).toBe(3);
  });

  it('refuses to replace a task of another kind of the same base', async () => {
    const Base = database.connection.model('BaseReport', taskQueue(new Schema({ number: Number })));
    const Weekly = Base.discriminator('WeeklyReport', new Schema({ week: Number }));
    const Daily = Base.discriminator('DailyReport', new Schema({ day: Number }));
    await Weekly.push({ number: 1, week: 3 }, { key });

    const push = Daily.push({ number: 2, day: 4 }, { key, onDuplicate: 'replace' });

    await expect(push).rejects.toThrow('of the same kind');
    const again = await Weekly.push({ number: 3, week: 5 }, { key, onDuplicate: 'replace' });
    expect(again.get('week')).toBe(5);
    expect(await stored(Base, again._id)).toMatchObject({ number: 3, week: 5, __t: 'WeeklyReport' });
  });

  it.each([
    [{ onDuplicate: 'replace' }, 'Expected a `key` for `onDuplicate`'],
    [{ throttleMs: 5 }, 'Expected a `key` for `throttleMs`'],
    [{ key, onDuplicate: 'overwrite' }, 'Expected `onDuplicate` to be one of keep, replace'],
    [{ key, onDuplicate: 'debounce' }, 'Expected `delayMs` with'],
    [{ key, onDuplicate: 'debounce', delayMs: 5, every: 60_000 }, 'Expected `delayMs` with'],
    [{ key, onDuplicate: 'debounce', delayMs: 5, maxDelayMs: 4 }, 'Expected `maxDelayMs` to be'],
    [{ key, onDuplicate: 'replace', maxDelayMs: 4 }, "Expected `onDuplicate: 'debounce'` for `maxDelayMs`"],
    [{ key, throttleMs: 0 }, 'Expected `throttleMs` to be'],
    [{ key, throttleMs: 86_400_001 }, 'Expected `throttleMs` not to be longer'],
  ])('refuses %j', async (options, message) => {
    await expect(Report.push({ number: 1 }, options as never)).rejects.toThrow(message);
    expect(await Report.countDocuments()).toBe(0);
  });

  it('has one live task of each form of the key, whoever writes', async () => {
    await pushAs('keep', 1);
    await Report.pop();
    await pushAs('after', 2);
    const others = await live();
    expect(others).toHaveLength(2);

    const insert = nativeOf(Report).insertOne({ state: 'RUNNING', _task: { key: { running: key } } });

    await expect(insert).rejects.toMatchObject({ code: 11_000 });
  });
});

describe('push with onDuplicate in a transaction', () => {
  const database = useDatabase('replicaSet');
  const makeReport = () =>
    database.connection.model('Report', taskQueue(new Schema({ number: Number }), { backoff: () => 0 }));
  let Report: ReturnType<typeof makeReport>;

  beforeAll(async () => {
    Report = makeReport();
    await Report.ensureTaskIndexes();
  });

  beforeEach(async () => {
    await Report.deleteMany({});
  });

  it('replaces a waiting task, once it is committed', async () => {
    await Report.push({ number: 1 }, { key });

    await database.connection.transaction(async (session) => {
      const pushed = await Report.push({ number: 2 }, { key, onDuplicate: 'replace', session });
      expect(pushed.pushOutcome).toBe('replaced');
      expect((await Report.findOne())?.number).toBe(1);
    });

    expect((await Report.pop())?.number).toBe(2);
  });

  it('comes behind a running task, and leaves everything as it was when it is aborted', async () => {
    await Report.push({ number: 1 }, { key });
    const held = (await Report.pop())!;
    const session = await database.connection.startSession();
    session.startTransaction();
    const pushed = await Report.push({ number: 2 }, { key, onDuplicate: 'after', session });
    expect(pushed.pushOutcome).toBe('behind');

    await session.abortTransaction();
    await session.endSession();

    expect((await stored(Report, held._id))['_task']).not.toHaveProperty('aside');
    await held.finish();
    expect(await Report.pop()).toBeNull();
  });

  it('starts the one behind when the task before it is finished in a transaction', async () => {
    await Report.push({ number: 1 }, { key });
    const held = (await Report.pop())!;
    await database.connection.transaction((session) =>
      Report.push({ number: 2 }, { key, onDuplicate: 'after', session }).then(() => {}),
    );

    await database.connection.transaction((session) => held.finish({ session }).then(() => {}));

    await eventually(async () => expect((await Report.pop())?.number).toBe(2));
  });

  it('ends a recurring task for good whose successor recurs', async () => {
    await Report.push({ number: 1 }, { key, every: 60_000 });
    const held = (await Report.pop())!;
    await Report.push({ number: 2 }, { key, onDuplicate: 'after' });

    await database.connection.transaction((session) => held.finish({ session }).then(() => {}));

    expect((await stored(Report, held._id)).state).toBe('FINISHED');
  });

  it('supersedes a waiting task', async () => {
    const first = await Report.push({ number: 1 }, { key });

    await database.connection.transaction(async (session) => {
      const pushed = await Report.push({ number: 2 }, { key, onDuplicate: 'supersede', session });
      expect(pushed.pushOutcome).toBe('superseded');
    });

    expect((await stored(Report, first._id)).state).toBe('CANCELLED');
    await eventually(async () => expect((await Report.pop())?.number).toBe(2));
  });
});

describe('push under a key', () => {
  const database = useDatabase();

  it('is one command, as one without a key, while nobody has the key', async () => {
    const monitored = await monitoredConnection(database.uri);
    const Counted = monitored.connection.model('Counted', taskQueue(new Schema({ number: Number })));
    await Counted.push({ number: 0 }, { key: 'another' });
    monitored.forget();

    await Counted.push({ number: 1 }, { key });
    await Counted.push({ number: 2 });
    expect(monitored.all().map(({ name }) => name)).toEqual(['update', 'insert']);
    monitored.forget();

    await Counted.push({ number: 3 }, { key });
    expect(monitored.all().map(({ name }) => name)).toEqual(['update', 'find']);
    monitored.forget();

    await Counted.push({ number: 4 }, { key, onDuplicate: 'replace' });
    expect(monitored.all().map(({ name }) => name)).toEqual(['update', 'find', 'update']);
  });
});

function strict(connection: ReturnType<typeof useDatabase>['connection'], mode: string) {
  return connection.model(`Strict_${mode}`, taskQueue(new Schema({ name: { type: String, required: true } })));
}
