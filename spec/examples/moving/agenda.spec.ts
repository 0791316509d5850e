import { Types } from 'mongoose';
import { State } from 'mongoose-task-queue';
import { type AgendaJob, moveAgendaJobs, priorityOf, type Targets } from '../../../examples/moving/agenda';
import { useDatabase } from '../../support/database';
import { emailModel, type Emails, inZone, workOff } from '../../support/emails';

const MINUTE = 60_000;
const at = (ms: number) => new Date(Date.now() + ms);

/** What Agenda stores beside what is read. */
const UNREAD = { type: 'normal', failCount: null, failReason: null, lastRunAt: null, lastModifiedBy: 'old' };

/** A job as Agenda 6.2.6 with its MongoDB backend 4.0.3 stored it: what was not given is null. */
function stored(job: Partial<AgendaJob> & { name: string }): AgendaJob {
  return {
    _id: new Types.ObjectId(),
    data: {},
    priority: 0,
    nextRunAt: at(-MINUTE),
    lockedAt: null,
    lastFinishedAt: null,
    failedAt: null,
    repeatTimezone: null,
    repeatInterval: null,
    repeatAt: null,
    disabled: null,
    startDate: null,
    endDate: null,
    skipDays: null,
    ...UNREAD,
    ...job,
  };
}

const email = (to: string, job: Partial<AgendaJob> = {}) => stored({ name: 'email', data: { to }, ...job });

describe('moving from Agenda', () => {
  const database = useDatabase();
  let Email: Emails;
  let targets: Targets;

  const jobs = () => database.connection.db!.collection<AgendaJob>('agendaJobs');
  const move = (...also: string[]) => moveAgendaJobs(jobs(), targets, also);
  const worked = () => workOff(Email);

  beforeAll(() => {
    Email = emailModel(database.connection);
    targets = {
      email: (job, options) =>
        Email.push({ _id: job._id, to: String(job.data['to']), priority: priorityOf(job) }, options),
    };
  });

  beforeEach(async () => {
    await Email.deleteMany({});
    await jobs().deleteMany({});
  });

  it('makes one task of each job that waits, however often it runs', async () => {
    const later = at(60 * MINUTE);
    await jobs().insertMany([
      email('low', { priority: -10 }),
      email('normal'),
      email('high', { priority: 10 }),
      email('later', { nextRunAt: later }),
    ]);

    expect([await move(), await move()]).toEqual([{ moved: 4 }, {}]);
    expect(await worked()).toEqual(['high', 'normal', 'low']);
    expect(await move()).toEqual({});
    expect(await worked()).toEqual([]);
    expect(await Email.findOne({ state: State.CREATED }).lean()).toMatchObject({
      to: 'later',
      _task: { dueAt: later },
    });
  });

  it('goes on after a run that ended between its writes, also when the task has ended meanwhile', async () => {
    await jobs().insertOne(email('ada', { disabled: true, movingAt: at(-MINUTE) }));
    await move();
    expect(await worked()).toEqual(['ada']);
    await jobs().updateMany({}, { $unset: { movedAt: true } });

    expect(await move()).toEqual({ moved: 1 });
    expect(await worked()).toEqual([]);
  });

  it('takes a job from the old workers before its task is there', async () => {
    const seen: unknown[] = [];
    await jobs().insertOne(email('ada'));

    await moveAgendaJobs(jobs(), { email: async ({ _id }) => seen.push(await jobs().findOne({ _id })) });

    expect(seen).toMatchObject([{ disabled: true, lockedAt: null }]);
  });

  it('leaves a job that an old worker has locked after it was read', async () => {
    const collection = jobs();
    const update = collection.updateOne.bind(collection);
    await collection.insertOne(email('ada'));
    jest.spyOn(collection, 'updateOne').mockImplementationOnce(async (filter, change) => {
      await update({}, { $set: { lockedAt: new Date() } });
      return update(filter, change as object);
    });

    expect(await moveAgendaJobs(collection, targets)).toEqual({ 'left: changed meanwhile': 1 });
    expect(await Email.countDocuments()).toBe(0);
  });

  it('leaves what ran, runs, failed, is disabled or has no target, and moves what it is told to', async () => {
    const [before, now] = [at(-MINUTE), new Date()];
    await jobs().insertMany([
      email('done', { nextRunAt: null, lastFinishedAt: now }),
      email('done at last', { nextRunAt: null, failedAt: before, lastFinishedAt: now }),
      email('failed', { nextRunAt: null, failedAt: now, lastFinishedAt: now }),
      email('runs', { nextRunAt: null, lockedAt: now }),
      email('disabled', { disabled: true }),
      stored({ name: 'unknown' }),
    ]);
    const left = { 'left: disabled': 1, "left: no target for 'unknown'": 1 };

    expect(await move()).toEqual({ ...left, 'left: finished': 1, 'left: failed': 1, 'left: running': 1 });
    expect(await move('failed', 'running')).toEqual({ ...left, 'left: finished': 1, moved: 2 });
    expect((await worked()).toSorted()).toEqual(['failed', 'runs']);
  });

  it('takes a pattern without a time zone for one of the zone of the process, as Agenda does', async () => {
    inZone('America/New_York');
    await jobs().insertOne(email('cron', { repeatInterval: '0 3 * * *', nextRunAt: new Date('2031-11-30T08:00:00Z') }));

    expect(await move()).toEqual({ moved: 1 });

    const schedule = { cron: '0 3 * * *', timeZone: 'America/New_York' };
    expect(await Email.findOne().lean()).toMatchObject({
      _task: { schedule, dueAt: new Date('2031-11-30T08:00:00Z') },
    });
  });

  it('keeps the next time of jobs that recur, and leaves those that have no equivalent', async () => {
    const next = new Date(Math.ceil(Date.now() / 86_400_000) * 86_400_000 + 2 * 3_600_000);
    const timeZone = 'Europe/Lisbon';
    await jobs().insertMany([
      email('number', { repeatInterval: 90_000, nextRunAt: next }),
      email('words', { repeatInterval: '5 minutes', nextRunAt: next }),
      email('cron', { repeatInterval: '0 2 * * *', repeatTimezone: 'UTC', nextRunAt: next }),
      email('zone', { repeatInterval: '0 2 * * *', repeatTimezone: timeZone }),
      email('time of day', { repeatAt: '3:30pm' }),
      email('weekdays', { repeatInterval: '0 4 * * *', skipDays: [0, 6] }),
      email('other words', { repeatInterval: 'two and a half minutes' }),
    ]);

    expect(await move()).toEqual({ moved: 4, "left: a schedule to write by hand, of 'email'": 3 });
    const tasks = await Email.find().lean<{ to: string; _task: { schedule: object; dueAt: Date } }[]>();
    const schedules = Object.fromEntries(tasks.map(({ to, _task }) => [to, [_task.schedule, _task.dueAt]]));
    expect(schedules).toMatchObject({
      number: [{ every: 90_000 }, next],
      words: [{ every: 300_000 }, next],
      cron: [{ cron: '0 2 * * *', timeZone: 'UTC' }, next],
      zone: [{ cron: '0 2 * * *', timeZone }, expect.any(Date)],
    });
  });
});
