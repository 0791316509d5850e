import { Schema } from 'mongoose';
import { taskQueue, Worker } from 'mongoose-task-queue';
import { ANSWER_MS } from '../../lib/inspect/limits';
import { worstFirst } from '../../lib/inspect/problems';
import { lookAt } from '../../lib/inspect/queue';
import { Rested } from '../../lib/inspect/rested';
import { View } from '../../lib/inspect/view';
import { monitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { nativeOf, rawUpdate } from '../support/raw';

describe('the look at a queue', () => {
  const database = useDatabase();
  const make = () => database.connection.model('Mail', taskQueue(new Schema({ to: String })));
  let Mail: ReturnType<typeof make>;
  let view: View;

  beforeAll(async () => {
    Mail = make();
    await Mail.ensureTaskIndexes();
    view = new View({ models: [Mail] });
  });
  beforeEach(() => nativeOf(Mail).deleteMany({}));

  const look = () => lookAt(view, Mail as never);
  const kinds = async () => worstFirst((await look()).problems).map(({ kind }) => kind);
  const MINUTE_MS = 60_000;
  const readySince = (task: { _id: unknown }, ms: number) =>
    rawUpdate(Mail, task._id, { $set: { '_task.availableAt': new Date(Date.now() - ms) } });

  it('counts as stats() does', async () => {
    const tasks = await Mail.push(Array.from({ length: 6 }, () => ({})));
    const [running] = await Mail.popMany(1);
    await tasks[5]!.fail(new Error('no'));
    await tasks[4]!.cancel();
    await Mail.push({}, { delayMs: MINUTE_MS });
    await readySince(tasks[3]!, MINUTE_MS);

    const { queue } = await look();
    const { oldestReadyAgeMs, finishedLastHour: _, failedLastHour: __, ...counts } = await Mail.stats();

    expect(queue).toMatchObject({ ...counts, failedLastHour: 1 });
    expect(Math.abs(queue.oldestReadyAgeMs! - oldestReadyAgeMs!)).toBeLessThan(MINUTE_MS);
    expect(running).toBeDefined();
  });

  it('finds the oldest of all priorities', async () => {
    const [low] = await Promise.all([Mail.push({ priority: -5 }), Mail.push({ priority: 7 }), Mail.push({})]);
    await readySince(low, 10 * MINUTE_MS);

    expect((await look()).queue.oldestReadyAgeMs).toBeGreaterThan(9 * MINUTE_MS);
  });

  it('says that nobody works the queue, or that it is late', async () => {
    expect(await kinds()).toEqual([]);
    await readySince(await Mail.push({}), 5 * MINUTE_MS);
    expect(await kinds()).toEqual(['nobody']);

    await Mail.pause();
    expect(await kinds()).toEqual(['paused']);
    await Mail.resume();

    // Somebody who pops by hand works it.
    await readySince(await Mail.push({}), 5.5 * MINUTE_MS);
    await Mail.pop();
    const { problems } = await look();
    expect(problems).toMatchObject([
      { kind: 'late', count: 1, route: 'Mail/tasks?state=ready', text: expect.stringContaining('5 minutes') as string },
    ]);
  });

  it('does not say so of a queue that has a worker', async () => {
    const worker = new Worker(Mail, { handler: async () => {} });
    await worker.start();
    try {
      await eventually(async () => expect((await look()).queue.workers).toBe(1));
      await Mail.pause();
      await readySince(await Mail.push({}), 5 * MINUTE_MS);
      await Mail.resume();
      expect(await kinds()).not.toContain('nobody');
    } finally {
      await worker.stop();
    }
  });

  it('says what failed lately, and which schedule is overdue', async () => {
    const [old, fresh] = await Mail.push([{}, {}]);
    for (const task of [old!, fresh!]) await task.fail(new Error('no'));
    await rawUpdate(Mail, old!._id, { $set: { '_task.settledAt': new Date(Date.now() - 120 * MINUTE_MS) } });
    const nightly = await Mail.push({}, { cron: '0 3 * * *', key: 'nightly' });
    await rawUpdate(Mail, nightly._id, { $set: { '_task.dueAt': new Date(Date.now() - 60 * MINUTE_MS) } });

    expect((await look()).problems).toMatchObject([
      { kind: 'failed', count: 1, route: 'Mail/tasks?state=FAILED' },
      { kind: 'stuck-schedule', count: 1, text: '1 schedule overdue: nightly' },
    ]);
  });

  it('names the index that is missing, and neither builds it nor reads without it', async () => {
    await Mail.push({});
    await nativeOf(Mail).dropIndex('task_claim');
    try {
      const { queue, problems } = await look();

      expect(problems).toMatchObject([{ kind: 'index', text: expect.stringContaining('task_claim') as string }]);
      expect(queue.error).toContain('task_claim');
      expect((await nativeOf(Mail).indexes()).map(({ name }) => name)).not.toContain('task_claim');
    } finally {
      await Mail.ensureTaskIndexes();
    }
  });

  it('tells an error of one queue as its own, and what it says to the log alone', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation();
    const { queue } = await lookAt(view, { ...Mail, db: null } as never);
    const told = warn.mock.calls.flat();
    warn.mockRestore();

    expect(queue.error).toBe('This could not be answered. The log of the server says why.');
    expect(told).toEqual([expect.stringMatching(/^The dashboard could not answer: TypeError: /), 'TaskQueueWarning']);
  });

  it('costs a number of commands that does not grow with the tasks, each with a limit of time', async () => {
    const monitored = await monitoredConnection(database.uri);
    const Other = monitored.connection.model('Mail', taskQueue(new Schema({ to: String })));
    const other = new View({ models: [Other] });
    await Mail.push(Array.from({ length: 300 }, () => ({})));
    await lookAt(other, Other as never);
    monitored.forget();
    await lookAt(other, Other as never);
    const commands = monitored.all();

    expect(commands.length).toBeLessThanOrEqual(16);
    const ofTasks = commands.filter(({ name, body }) => body[name] === Other.collection.name);
    expect(ofTasks.length).toBeGreaterThan(0);
    expect(ofTasks.every(({ body }) => body['maxTimeMS'] === ANSWER_MS)).toBe(true);
  });
});

describe('what was read', () => {
  it('is shared by all who ask, until it has rested or was changed', async () => {
    let reads = 0;
    const rested = new Rested(async () => ++reads, 60_000);

    expect(await Promise.all([rested.value(), rested.value()])).toEqual([1, 1]);
    expect(await rested.value()).toBe(1);
    rested.expire();
    expect(await rested.value()).toBe(2);
  });

  it('is read again after an error', async () => {
    let reads = 0;
    const rested = new Rested(() => (++reads === 1 ? Promise.reject(new Error('no')) : Promise.resolve(reads)), 60_000);

    await expect(rested.value()).rejects.toThrow('no');
    expect(await rested.value()).toBe(2);
  });
});
