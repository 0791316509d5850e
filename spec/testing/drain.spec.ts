import { Schema } from 'mongoose';
import { taskQueue, UnrecoverableError } from 'mongoose-task-queue';
import { advance, drain } from '../../lib/testing';
import { useDatabase } from '../support/database';

describe('drain', () => {
  const database = useDatabase();
  const makeEmail = () =>
    database.connection.model(
      'Email',
      taskQueue(new Schema({ to: String, sent: Boolean }), { maxAttempts: 3, backoff: () => 60_000 }),
    );
  let Email: ReturnType<typeof makeEmail>;
  const ends = { finished: 0, failed: 0, retried: 0, released: 0, cancelled: 0 };

  beforeAll(() => {
    Email = makeEmail();
  });
  beforeEach(() => Email.deleteMany({}));

  const push = (...names: string[]) => Email.push(names.map((to) => ({ to })));

  it('works an empty queue in no time', async () => {
    expect(await drain(Email, { handler: () => {} })).toEqual(ends);
  });

  it('hands each ready task to the handler, in the order of pop, and saves what it changed', async () => {
    await push('a', 'b');
    await Email.push({ to: 'urgent', priority: 3 });
    await Email.push({ to: 'later' }, { delayMs: 60_000 });
    const seen: unknown[] = [];

    const counts = await drain(Email, {
      handler: (email) => {
        seen.push(email.to);
        email.sent = true;
      },
    });

    expect(counts).toEqual({ ...ends, finished: 3 });
    expect(seen).toEqual(['urgent', 'a', 'b']);
    expect(await Email.countDocuments({ sent: true, state: 'FINISHED' })).toBe(3);
    expect(await Email.stats()).toMatchObject({ delayed: 1 });
  });

  it('counts what a handler throws as a failed attempt, whose retry comes when time has passed', async () => {
    await push('a', 'b', 'c');
    const handler = ({ to }: { to?: string | null | undefined }) => {
      if (to === 'a') throw new Error('no such mailbox');
      if (to === 'b') throw new UnrecoverableError('never');
    };

    expect(await drain(Email, { handler })).toEqual({ ...ends, finished: 1, failed: 1, retried: 1 });
    expect(await drain(Email, { handler })).toEqual(ends);
    await advance(Email, 60_000);
    expect(await drain(Email, { handler })).toEqual({ ...ends, retried: 1 });
    await advance(Email, 60_000);
    expect(await drain(Email, { handler })).toEqual({ ...ends, failed: 1 });
  });

  it('runs the method of the task where there is no handler', async () => {
    const schema = taskQueue(new Schema({ to: String, sent: Boolean }));
    schema.method('run', function run(this: { sent: boolean }) {
      this.sent = true;
    });
    const Letter = database.connection.model('Letter', schema);
    await Letter.push({ to: 'ada' });

    await drain(Letter as never);

    expect(await Letter.countDocuments({ sent: true, state: 'FINISHED' })).toBe(1);
  });

  it('also works what the handlers push, and tasks of several models after those they wait for', async () => {
    const Part = database.connection.model('Part', taskQueue(new Schema({ name: String })));
    const Whole = database.connection.model(
      'Whole',
      taskQueue(
        new Schema({ parts: { type: [{ type: Schema.Types.ObjectId, ref: 'Part' }], dependsOn: 'ALL_OF' as const } }),
      ),
    );
    const parts = await Part.push(['a', 'b', 'c'].map((name) => ({ name })));
    await Whole.push({ parts: parts.map(({ _id }) => _id) });
    const done: string[] = [];

    await drain([Whole, Part], {
      handler: async (task) => {
        const name = 'name' in task ? task.name : 'whole';
        done.push(name!);
        if (name === 'a') await Part.push({ name: 'late' });
      },
    });

    expect(done.toSorted()).toEqual(['a', 'b', 'c', 'late', 'whole']);
    expect(done.indexOf('whole')).toBeGreaterThan(Math.max(...['a', 'b', 'c'].map((name) => done.indexOf(name))));
  });

  it('ends after `max` tasks', async () => {
    await push('a', 'b', 'c');

    expect(await drain(Email, { handler: () => {}, max: 2 })).toEqual({ ...ends, finished: 2 });
    expect(await Email.stats()).toMatchObject({ ready: 1 });
  });

  it('ends when `until` says so, and puts back uncharged what it had claimed', async () => {
    await push('a', 'b', 'c');
    let count = 0;

    expect(await drain(Email, { handler: () => void count++, until: () => count === 2 })).toEqual({
      ...ends,
      finished: 2,
    });
    expect(await Email.stats()).toMatchObject({ ready: 1 });
    expect(await Email.findOne({ state: 'CREATED' })).toMatchObject({ attempts: 0 });
    expect(await drain(Email, { handler: () => {}, until: () => true })).toEqual(ends);
  });

  it('ends where the queue is paused', async () => {
    await push('a');
    await Email.pause();

    expect(await drain(Email, { handler: () => {} })).toEqual(ends);
    await Email.resume();
    expect(await drain(Email, { handler: () => {} })).toEqual({ ...ends, finished: 1 });
  });

  it.each<object>([{ max: 0 }, { max: 1.5 }, { until: true }, { handlers: () => {} }, { handler: 'run' }])(
    'refuses %j',
    async (options) => {
      await expect(drain(Email, { handler: () => {}, ...options })).rejects.toMatchObject({
        name: 'InvalidOptionError',
      });
    },
  );

  it('refuses a model without the plugin', async () => {
    const Plain = database.connection.model('Plain', new Schema({}));

    await expect(drain(Plain as never, { handler: () => {} })).rejects.toMatchObject({ name: 'InvalidOptionError' });
  });
});
