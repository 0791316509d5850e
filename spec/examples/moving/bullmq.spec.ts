import { State } from 'mongoose-task-queue';
import { moveJobs, type OldJob, type OldQueue, type OldScheduler, type Targets } from '../../../examples/moving/bullmq';
import { useDatabase } from '../../support/database';
import { emailModel, type Emails, inZone, workOff } from '../../support/emails';

const MINUTE = 60_000;
const DAY = 86_400_000;

/** A job as BullMQ 6.7.0 gave it, with the state it was in. */
type Stored = Omit<OldJob, 'remove'> & { state: string };

let ids = 0;
function stored(to: string, state = 'waiting', job: Partial<Stored> = {}): Stored {
  const common = { data: { to }, delay: 0, priority: 0, timestamp: Date.now() - MINUTE };

  return { id: `${++ids}`, name: 'send', ...common, ...job, state };
}

/** What is used of a queue of BullMQ, in memory. */
class MemoryQueue implements OldQueue {
  readonly name = 'email';
  isPaused = false;
  /** Whether the next removal fails, as when the program ends before it. */
  failsOnce = false;

  constructor(
    public jobs: Stored[],
    public schedulers: OldScheduler[] = [],
  ) {}

  async pause() {
    this.isPaused = true;
  }

  async getJobs(states: string[]): Promise<OldJob[]> {
    return this.jobs
      .filter(({ state }) => states.includes(state))
      .map((job) => ({ ...job, remove: async () => this.#remove(job) }));
  }

  async getJobSchedulers() {
    return this.schedulers;
  }

  async removeJobScheduler(key: string) {
    this.schedulers = this.schedulers.filter((scheduler) => scheduler.key !== key);
  }

  #remove(job: Stored) {
    if (this.failsOnce) {
      this.failsOnce = false;
      throw new Error('the program ended');
    }
    if (!this.isPaused) throw new Error('a worker may have taken it');
    this.jobs = this.jobs.filter((other) => other !== job);
  }
}

describe('moving from BullMQ', () => {
  const database = useDatabase();
  let Email: Emails;
  let targets: Targets;

  const worked = () => workOff(Email);

  beforeAll(() => {
    Email = emailModel(database.connection);
    targets = { send: ({ data, ...task }, options) => Email.push({ ...task, to: String(data['to']) }, options) };
  });

  beforeEach(async () => {
    await Email.deleteMany({});
  });

  it('makes one task of each job that waits, in the order of BullMQ, however often it runs', async () => {
    const timestamp = Date.now() - MINUTE;
    const queue = new MemoryQueue([
      stored('ten', 'prioritized', { priority: 10 }),
      stored('one', 'prioritized', { priority: 1 }),
      stored('first'),
      stored('by id', 'waiting', { id: 'invoice-42' }),
      stored('later', 'delayed', { timestamp, delay: DAY }),
    ]);

    expect([await moveJobs(queue, targets), await moveJobs(queue, targets)]).toEqual([{ moved: 5 }, {}]);
    expect(queue).toMatchObject({ isPaused: true, jobs: [] });
    expect(await worked()).toEqual(['first', 'by id', 'one', 'ten']);
    expect(await Email.findOne({ state: State.CREATED }).lean()).toMatchObject({
      to: 'later',
      _task: { dueAt: new Date(timestamp + DAY), key: expect.stringMatching(/^bullmq:email:\d+$/) },
    });
  });

  it('goes on after a run that ended before the job was removed, also when the task has ended meanwhile', async () => {
    const queue = new MemoryQueue([stored('ada')]);
    for (const runs of [['ada'], []]) {
      queue.failsOnce = true;
      await expect(moveJobs(queue, targets)).rejects.toThrow('the program ended');
      expect(await worked()).toEqual(runs);
    }

    expect(await moveJobs(queue, targets)).toEqual({ moved: 1 });
    expect(await worked()).toEqual([]);
  });

  it('makes another task of a job that was added again by the same id', async () => {
    const again = new MemoryQueue([stored('ada', 'waiting', { id: 'a' })]);
    await moveJobs(again, targets);
    expect(await worked()).toEqual(['ada']);

    again.jobs = [stored('ada', 'waiting', { id: 'a', timestamp: Date.now() })];
    expect(await moveJobs(again, targets)).toEqual({ moved: 1 });
    expect(await worked()).toEqual(['ada']);
  });

  it('leaves what runs, failed, is of a flow or has no target, and moves what it is told to', async () => {
    const queue = new MemoryQueue([
      stored('runs', 'active'),
      stored('failed', 'failed'),
      stored('done', 'completed'),
      stored('parent', 'waiting-children'),
      stored('child', 'waiting', { parentKey: 'bull:email:1' }),
      stored('x', 'waiting', { name: 'unknown' }),
    ]);
    const left = { 'left: waiting-children': 1, 'left: of a flow': 1, "left: no target for 'unknown'": 1 };

    expect(await moveJobs(queue, targets)).toEqual({ ...left, 'left: active': 1, 'left: failed': 1 });
    expect(await moveJobs(queue, targets, ['failed', 'active'])).toEqual({ ...left, moved: 2 });
    expect((await worked()).toSorted()).toEqual(['failed', 'runs']);
  });

  it('counts the delay of a retry from the run before it', async () => {
    const [timestamp, processedOn] = [Date.now() - DAY, Date.now() - MINUTE];
    await moveJobs(new MemoryQueue([stored('flaky', 'delayed', { timestamp, processedOn, delay: DAY })]), targets);

    expect(await Email.findOne().lean()).toMatchObject({ _task: { dueAt: new Date(processedOn + DAY) } });
  });

  it('takes a pattern without a time zone for one of the zone of the process, and keeps the priority', async () => {
    inZone('America/New_York');
    const next = Date.parse('2031-11-30T08:00:00Z');
    const template = { data: { to: 'nightly' }, opts: { priority: 7 } };
    const scheduler = { key: 'nightly', name: 'send', pattern: '0 3 * * *', next, template };

    expect(await moveJobs(new MemoryQueue([], [scheduler]), targets)).toEqual({ 'moved: schedulers': 1 });

    const schedule = { cron: '0 3 * * *', timeZone: 'America/New_York' };
    expect(await Email.findOne().lean()).toMatchObject({ priority: -5, _task: { schedule, dueAt: new Date(next) } });
  });

  it('keeps the next time of schedulers, takes their next runs away, and leaves those that have no equivalent', async () => {
    const next = Math.ceil(Date.now() / DAY) * DAY + 2 * 3_600_000;
    const template = (to: string) => ({ name: 'send', template: { data: { to } } });
    const queue = new MemoryQueue(
      ['sessions', 'ten times'].map((repeatJobKey) => stored(repeatJobKey, 'waiting', { repeatJobKey })),
      [
        { key: 'sessions', every: 90_000, next, ...template('sessions') },
        { key: 'nightly', pattern: '0 0 2 * * *', tz: 'UTC', next, ...template('nightly') },
        { key: 'ten times', every: 90_000, limit: 10, next, ...template('ten times') },
      ],
    );

    expect(await moveJobs(queue, targets)).toEqual({
      'moved: schedulers': 2,
      "left: a schedule to write by hand, of 'send'": 1,
      "left: of the scheduler 'ten times'": 1,
    });
    expect(queue.jobs).toMatchObject([{ repeatJobKey: 'ten times' }]);
    expect(await Email.find().sort({ to: 1 }).lean()).toMatchObject([
      { to: 'nightly', _task: { dueAt: new Date(next), schedule: { cron: '0 0 2 * * *', timeZone: 'UTC' } } },
      { to: 'sessions', _task: { dueAt: new Date(next), schedule: { every: 90_000 } } },
    ]);
  });
});
