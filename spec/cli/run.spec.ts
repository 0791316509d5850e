import { Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { commandLine } from '../support/cli';
import { useDatabase } from '../support/database';
import { nativeOf } from '../support/raw';

describe('the command line', () => {
  const database = useDatabase();
  const emailModel = () =>
    database.connection.model(
      'Email',
      taskQueue(new Schema({ to: { type: String, index: true } }), { category: true, maxAttempts: 2 }),
    );
  let Email: ReturnType<typeof emailModel>;

  beforeAll(() => {
    Email = emailModel();
  });
  beforeEach(async () => {
    await nativeOf(Email).deleteMany({});
    await Email.resume();
    await Email.ensureTaskIndexes();
  });

  const cli = (...argv: string[]) => commandLine(argv, [Email]);

  /** Tasks that failed. */
  async function failed(...to: string[]) {
    for (const one of to) {
      await Email.push({ to: one });
      await (await Email.pop())!.fail(new Error(`cannot reach ${one}`));
    }
  }

  describe('is used wrongly', () => {
    it.each([
      [['nonsense'], 'unknown command'],
      [['why'], 'missing required argument'],
      [['list', '--nonsense'], 'unknown option'],
      [['list', '--limit', 'many'], '`--limit` to be a whole number'],
      [['list', '--state', 'gone'], 'no state `gone`'],
      [['list', 'nonsense:1'], 'nonsense'],
      [['stats', '--model', 'Mail'], 'no queue `Mail`. There is Email'],
      [['retry', '--state', 'paid'], 'no state'],
      [['cancel'], 'Say which tasks'],
    ])('%j: code 2, and says what to write', async (argv, message) => {
      const { code, out, err } = await cli(...argv);

      expect(code).toBe(2);
      expect(out).toBe('');
      expect(err).toContain(message);
    });

    it('without a word of where the queues are', async () => {
      const { code, err } = await commandLine(['stats']);

      expect(code).toBe(2);
      expect(err).toContain('--uri');
    });

    it('says so as JSON, too', async () => {
      expect((await cli('list', '--state', 'gone', '--json')).json).toEqual({
        error: { code: 'UsageError', message: expect.stringContaining('no state') },
      });
    });
  });

  it('tells what it can do', async () => {
    const { code, out } = await cli('--help');

    expect(code).toBe(0);
    expect(out).toContain('doctor');
    expect((await cli('list', '--help')).out).toContain('--json');
  });

  describe('stats', () => {
    it('counts', async () => {
      await failed('ada');
      await Email.push({ to: 'eve' });

      const { code, out } = await cli('stats');

      expect(code).toBe(0);
      expect(out.split('\n')[0]).toMatch(/^queue +ready +oldest/);
      expect(out.split('\n')[1]).toMatch(/^Email +1 .* 1 +0 +0 +0 +0$/);
      expect((await cli('stats', '--json')).json).toEqual([
        expect.objectContaining({ model: 'Email', ready: 1, failed: 1, workers: 0, paused: false }),
      ]);
    });

    it('has colours on a terminal alone, and none with NO_COLOR', async () => {
      await failed('ada');
      const colourOf = async (screen: object) =>
        (await commandLine(['stats'], [Email], screen)).out.includes('\u001b[31m');

      expect(await colourOf({ isTTY: true })).toBe(true);
      expect(await colourOf({ isTTY: true, env: { NO_COLOR: '1' } })).toBe(false);
      expect(await colourOf({})).toBe(false);
    });
  });

  describe('list', () => {
    it('lists what matches, with ids that the other commands take', async () => {
      await failed('ada', 'bob');
      const [ada] = await Email.find({ to: 'ada' });

      const { code, out } = await cli('list', '--state', 'failed', 'to:ada');

      expect(code).toBe(0);
      expect(out).toContain('Email: 1 task');
      expect(out).toMatch(new RegExp(`${String(ada!._id)} +FAILED .*cannot reach ada`));
      expect(out).not.toContain('bob');
      expect((await cli('list', '--state', 'failed', '--json')).json).toMatchObject([
        { model: 'Email', count: { value: 2, more: false }, rows: [{ state: 'FAILED' }, { state: 'FAILED' }] },
      ]);
    });

    it.each(['ready', 'delayed', 'blocked', 'created', 'RUNNING', 'finished', 'Pending'])(
      'knows the state %s',
      async (state) => {
        expect(await cli('list', '--state', state)).toMatchObject({ code: 0, out: 'Email: 0 tasks\n' });
      },
    );

    it('leaves out queues of which a search cannot be meant, and says so', async () => {
      const Report = database.connection.model('Report', taskQueue(new Schema({ month: String })));
      await Report.ensureTaskIndexes();
      await Email.push({ to: 'ada' });

      const { code, out, err } = await commandLine(['list', 'to:ada'], [Email, Report]);

      expect([code, out]).toEqual([0, expect.stringContaining('Email: 1 task')]);
      expect(err).toContain('Report is left out');
    });

    it('goes on where it ended', async () => {
      await Email.push([{ to: 'a' }, { to: 'b' }, { to: 'c' }]);

      const first = await cli('list', '--limit', '2');
      const second = await cli('list', '--limit', '2', '--after', '2');

      expect(first.out).toContain('more: --after 2');
      expect(second.out).toContain('to: c');
    });

    it('cuts lines to the width of a terminal', async () => {
      await Email.push({ to: 'x'.repeat(300) });

      const { out } = await commandLine(['list'], [Email], { isTTY: true, columns: 100, env: { NO_COLOR: '1' } });

      expect(Math.max(...out.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(100);
      expect((await cli('list')).out).toContain('x'.repeat(50));
    });
  });

  it('show tells all of a task', async () => {
    await failed('ada');
    const [ada] = await Email.find({});

    const { code, out } = await cli('show', String(ada!._id));

    expect(code).toBe(0);
    expect(out).toContain('FAILED');
    expect(out).toContain('to: "ada"');
    expect(out).toContain('Error: cannot reach ada');
    expect((await cli('show', String(ada!._id), '--json')).json).toMatchObject({
      model: 'Email',
      row: { state: 'FAILED' },
      fields: { to: 'ada' },
    });
  });

  it.each(['show', 'why', 'retry', 'cancel'])('%s of a task that is not there: code 1', async (command) => {
    const { code, err } = await cli(command, '0123456789abcdef01234567');

    expect(code).toBe(1);
    expect(err).toContain('no task');
  });

  describe('retry', () => {
    it('queues a task again', async () => {
      await failed('ada');
      const [ada] = await Email.find({});

      const { code, out } = await cli('retry', String(ada!._id));

      expect([code, out]).toEqual([0, 'Email: 1 task queued again\n']);
      expect((await Email.pop())?._id).toEqual(ada!._id);
    });

    it('does nothing for a task that is ready or done, and says why', async () => {
      await Email.push({ to: 'ada' });
      const task = await Email.pop();
      await task!.finish();

      const { code, err } = await cli('retry', String(task!._id));

      expect(code).toBe(2);
      expect(err).toContain('is FINISHED');
    });

    it('lets a task run now that waits for its next attempt', async () => {
      await Email.push({ to: 'ada' });
      const task = await Email.pop();
      await task!.retry({ delayMs: 60_000 });

      expect((await cli('retry', String(task!._id))).out).toBe('Email: 1 task made ready\n');
      expect(await Email.pop()).not.toBeNull();
    });

    it('names those that it left', async () => {
      await Email.push({ to: 'ada' }, { key: 'k' });
      const task = await Email.pop();
      await task!.fail(new Error('x'));
      await Email.push({ to: 'ada' }, { key: 'k' });

      const { code, out } = await cli('retry', '--yes');

      expect(code).toBe(1);
      expect(out).toContain('left:');
      expect(out).toContain('a live task has its key');
    });

    it('counts all that match, and queues them with --yes', async () => {
      await failed('ada', 'bob', 'eve');

      const asked = await cli('retry', 'to:ada,bob');
      expect([asked.code, asked.err]).toEqual([2, expect.stringContaining('2 of Email. Add `--yes`')]);
      expect(await Email.countDocuments({ state: 'FAILED' })).toBe(3);

      const done = await cli('retry', 'to:ada,bob', '--yes', '--json');
      expect([done.code, done.json]).toEqual([
        0,
        [{ model: 'Email', action: 'retry', done: 2, skipped: [], more: false }],
      ]);
      expect(await Email.countDocuments({ state: 'FAILED' })).toBe(1);
    });

    it('takes no more than the limit', async () => {
      await failed('ada', 'bob', 'eve');

      await cli('retry', '--yes', '--limit', '2');

      expect(await Email.countDocuments({ state: 'FAILED' })).toBe(1);
    });
  });

  describe('cancel', () => {
    it('ends tasks by their ids, with a reason', async () => {
      const [one, other] = await Email.push([{ to: 'ada' }, { to: 'bob' }]);

      const { code, json } = await cli('cancel', String(one!._id), String(other!._id), '--reason', 'bounced', '--json');

      expect([code, json]).toEqual([0, [1, 1].map((done) => expect.objectContaining({ model: 'Email', done }))]);
      expect((await cli('why', String(one!._id))).out).toContain('because: bounced');
    });

    it('ends all that match with --yes', async () => {
      await Email.push([{ to: 'ada' }, { to: 'bob' }]);

      expect((await cli('cancel', 'to:ada')).code).toBe(2);
      expect((await cli('cancel', '--state', 'ready', 'to:ada', '--yes')).out).toMatch(/^Email: 1 task cancelled/);
      expect(await Email.countDocuments({ state: 'CREATED' })).toBe(1);
    });
  });

  it('shows how far it is on a terminal', async () => {
    await nativeOf(Email).insertMany(
      Array.from({ length: 1_001 }, () => ({ state: 'FAILED', _task: { settledAt: new Date() } })),
    );

    const { err, out } = await commandLine(['retry', '--yes'], [Email], { isTTY: true });

    expect(err).toContain('1001');
    expect(out).toContain('1,001 tasks queued again');
    expect((await cli('retry', '--yes')).err).toBe('');
  });

  it('pauses and resumes a queue, or a category of it', async () => {
    expect((await cli('pause', '--reason', 'ticket 4711')).out).toBe('Email is paused. `resume` lets it go on.\n');
    expect(await Email.paused()).toEqual([expect.objectContaining({ category: null, reason: 'ticket 4711' })]);
    expect((await cli('resume')).out).toBe('Email goes on.\n');
    expect(await Email.paused()).toEqual([]);

    await cli('pause', '--category', 'news');
    expect((await cli('resume')).out).toBe('Email goes on. Paused as well: news.\n');
    await cli('resume', '--category', 'news');
    expect(await Email.paused()).toEqual([]);
  });

  it('tells of workers', async () => {
    expect((await cli('workers')).out).toContain('No worker');
    const side = database.connection.collection('emails.queue');
    await side.insertOne({
      worker: {
        id: 'w',
        host: 'box',
        pid: 7,
        models: ['Email'],
        concurrency: 4,
        running: 1,
        held: 2,
        since: new Date(),
      },
      beat: new Date(),
    });

    expect((await cli('workers')).out).toMatch(/box +7 +Email +1 of 4 +2/);
    expect((await cli('workers', '--json')).json).toEqual([expect.objectContaining({ host: 'box', pid: 7 })]);
    await side.deleteMany({ worker: { $exists: true } });
  });

  describe('doctor', () => {
    it('is content with what is well', async () => {
      const { code, out } = await cli('doctor');

      expect(code).toBe(0);
      expect(out).toContain('All is well');
    });

    it('ends with 1 for what is wrong, repairs it with --fix, and says what is left', async () => {
      await nativeOf(Email).dropIndex('task_category');
      const task = await Email.push({ to: 'ada' });
      await nativeOf(Email).updateOne({ _id: task._id }, { $set: { '_task.availableAt': 'soon' } });

      const found = await cli('doctor');
      expect(found.code).toBe(1);
      expect(found.out).toContain('emails lacks the index task_category');
      expect(found.out).toContain('2 errors');

      const fixed = await cli('doctor', '--fix', '--json');
      expect(fixed).toMatchObject({ code: 1, json: { ok: false } });
      expect(fixed.json.checks.flatMap((one: any) => one.findings)).toEqual([
        expect.objectContaining({ text: expect.stringContaining('task_category'), fixed: true }),
        expect.not.objectContaining({ fixed: true }),
      ]);
    });

    it('ends with 1 for a warning only with --strict', async () => {
      const task = await Email.push({ to: 'ada' });
      await nativeOf(Email).updateOne({ _id: task._id }, { $set: { '_task.attempts': 'many' } });

      expect((await cli('doctor')).code).toBe(0);
      expect((await cli('doctor', '--strict')).code).toBe(1);
    });
  });
});
