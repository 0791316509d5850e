import { Types } from 'mongoose';
import { State } from 'mongoose-task-queue';
import { moveTasks, type OldTask, type Targets } from '../../../examples/moving/mongoosejs-task';
import { useDatabase } from '../../support/database';
import { emailModel, type Emails, workOff } from '../../support/emails';

const MINUTE = 60_000;
const at = (ms: number) => new Date(Date.now() + ms);

/** A task as @mongoosejs/task 0.7.1 stored it. */
function stored(to: string, task: Partial<OldTask> = {}): OldTask {
  const { scheduledAt = at(-MINUTE) } = task;
  const schedulingTimeoutAt = new Date(scheduledAt.getTime() + 10 * MINUTE);
  const unread = { schedulingTimeoutAt, retryOnTimeoutCount: 0, sideEffects: [], logs: [], __v: 0 };

  return {
    _id: new Types.ObjectId(),
    name: 'email',
    scheduledAt,
    repeatAfterMS: null,
    params: { to },
    status: 'pending',
    ...unread,
    ...task,
  };
}

describe('moving from @mongoosejs/task', () => {
  const database = useDatabase();
  let Email: Emails;
  let targets: Targets;

  const tasks = () => database.connection.db!.collection<OldTask>('tasks');
  const move = (...also: string[]) => moveTasks(tasks(), targets, also);
  const worked = () => workOff(Email);

  beforeAll(() => {
    Email = emailModel(database.connection);
    targets = { email: (old, options) => Email.push({ _id: old._id, to: String(old.params?.['to']) }, options) };
  });

  beforeEach(async () => {
    await Email.deleteMany({});
    await tasks().deleteMany({});
  });

  it('makes one task of each that is pending, however often it runs', async () => {
    const later = at(60 * MINUTE);
    await tasks().insertMany([
      stored('second'),
      stored('first', { scheduledAt: at(-30 * MINUTE) }),
      stored('later', { scheduledAt: later }),
    ]);

    expect([await move(), await move()]).toEqual([{ moved: 3 }, {}]);
    expect(await worked()).toEqual(['first', 'second']);
    expect(await move()).toEqual({});
    expect(await worked()).toEqual([]);
    expect(await Email.findOne({ state: State.CREATED }).lean()).toMatchObject({
      to: 'later',
      _task: { dueAt: later },
    });
  });

  it('goes on after a run that ended between its writes, also when the task has ended meanwhile', async () => {
    await tasks().insertOne(stored('ada', { status: 'cancelled', cancelledAt: at(-MINUTE), movingAt: at(-MINUTE) }));
    await move();
    expect(await worked()).toEqual(['ada']);
    await tasks().updateMany({}, { $unset: { movedAt: true } });

    expect(await move()).toEqual({ moved: 1 });
    expect(await worked()).toEqual([]);
  });

  it('takes a task from the old workers before the new one is there', async () => {
    const seen: unknown[] = [];
    await tasks().insertOne(stored('ada'));

    await moveTasks(tasks(), { email: async ({ _id }) => seen.push(await tasks().findOne({ _id })) });

    expect(seen).toMatchObject([{ status: 'cancelled', cancelledAt: expect.any(Date) }]);
  });

  it('leaves a task that an old worker has started after it was read', async () => {
    const collection = tasks();
    const update = collection.updateOne.bind(collection);
    await collection.insertOne(stored('ada'));
    jest.spyOn(collection, 'updateOne').mockImplementationOnce(async (filter, change) => {
      await update({}, { $set: { status: 'in_progress' } });
      return update(filter, change as object);
    });

    expect(await moveTasks(collection, targets)).toEqual({ 'left: changed meanwhile': 1 });
    expect(await Email.countDocuments()).toBe(0);
  });

  it('leaves those that ended, run or have no target, and moves the states it is told to', async () => {
    const states = ['succeeded', 'cancelled', 'failed', 'timed_out', 'scheduling_timed_out', 'in_progress'];
    await tasks().insertMany([...states.map((status) => stored(status, { status })), stored('x', { name: 'unknown' })]);
    const left = { 'left: in_progress': 1, "left: no target for 'unknown'": 1 };

    expect(await move()).toEqual({
      ...left,
      'left: failed': 1,
      'left: timed_out': 1,
      'left: scheduling_timed_out': 1,
    });
    expect(await move('failed', 'timed_out', 'scheduling_timed_out')).toEqual({ ...left, moved: 3 });
    expect((await worked()).toSorted()).toEqual(['failed', 'scheduling_timed_out', 'timed_out']);
  });

  it('does a run that has failed once more, without a second task that repeats', async () => {
    const every = { repeatAfterMS: 1_000 };
    await tasks().insertMany([
      stored('failed', { ...every, status: 'failed' }),
      stored('late', { ...every, status: 'scheduling_timed_out' }),
      stored('running', { ...every, status: 'in_progress' }),
      stored('next', { ...every, scheduledAt: at(60 * MINUTE) }),
    ]);

    expect(await move('failed', 'scheduling_timed_out', 'in_progress')).toEqual({ moved: 4 });

    const recurring = await Email.find({ '_task.schedule': { $exists: true } }).lean();
    expect(recurring.map(({ to }) => to).toSorted()).toEqual(['next', 'running']);
  });

  it('knows the state of a task that it had taken when it was killed', async () => {
    const taken = { status: 'cancelled', movingAt: at(-MINUTE), repeatAfterMS: 1_000 };
    await tasks().insertMany([
      stored('failed', { ...taken, movingFrom: 'failed' }),
      stored('next', { ...taken, movingFrom: 'pending' }),
    ]);

    expect(await move()).toEqual({ moved: 2 });

    expect(await Email.distinct('to', { '_task.schedule': { $exists: true } })).toEqual(['next']);
  });

  it('keeps the next time of a task that repeats, and leaves one with a time of its own after that', async () => {
    const scheduledAt = at(60 * MINUTE);
    await tasks().insertMany([
      stored('repeats', { scheduledAt, repeatAfterMS: 90_000 }),
      stored('once more', { scheduledAt, nextScheduledAt: at(90 * MINUTE) }),
    ]);

    expect(await move()).toEqual({ moved: 1, "left: nextScheduledAt, to write by hand, of 'email'": 1 });
    expect(await Email.findOne().lean()).toMatchObject({
      to: 'repeats',
      _task: { dueAt: scheduledAt, schedule: { every: 90_000 } },
    });
  });
});
