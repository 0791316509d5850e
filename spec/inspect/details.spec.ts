import { Schema } from 'mongoose';
import { taskQueue, Worker } from 'mongoose-task-queue';
import { crewRows } from '../../lib/inspect/crew';
import { detailsOf } from '../../lib/inspect/details';
import { listTasks } from '../../lib/inspect/list';
import { schedulesOf } from '../../lib/inspect/schedules';
import { NoSuchTaskError } from '../../lib/inspect/stored';
import { View } from '../../lib/inspect/view';
import { monitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { deferred } from '../support/deferred';
import { eventually } from '../support/eventually';
import { nativeOf, rawUpdate } from '../support/raw';

describe('the details of a task', () => {
  const database = useDatabase();
  const make = () =>
    database.connection.model(
      'Letter',
      taskQueue(new Schema({ to: String, body: String, secret: String, nested: { a: Number, pin: String } })),
    );
  let Letter: ReturnType<typeof make>;
  let view: View;

  beforeAll(async () => {
    Letter = make();
    await Letter.ensureTaskIndexes();
    view = new View({
      models: [Letter],
      hide: { Letter: ['secret', 'nested.pin', '_task.progress'] },
      format: {
        Letter: {
          to: (value) => `<${String(value)}>`,
          body: throwing,
        },
      },
    });
  });
  beforeEach(() => nativeOf(Letter).deleteMany({}));

  const details = (id: unknown) => detailsOf(view, Letter as never, id);

  it('tell its life, with the stacks of its failures', async () => {
    await Letter.push({ to: 'ada' });
    const first = (await Letter.pop())!;
    await first.retry({ error: new TypeError('no such address'), delayMs: 0 });
    const second = (await Letter.pop())!;

    const { life, failures, lease, actions, row, editable } = await details(second._id);

    expect(life.map(({ kind }) => kind)).toEqual(['pushed', 'failed', 'due', 'claimed']);
    expect(failures).toMatchObject([{ attempt: 1, name: 'TypeError', message: 'no such address' }]);
    expect(failures[0]!.stack).toContain('details.spec');
    expect(lease!.until > row.createdAt!).toBe(true);
    expect(actions).toEqual(['cancel']);
    expect(editable).toEqual([]);

    await second.fail(new Error('gone'));
    const after = await details(second._id);
    expect(after.life.at(-1)).toMatchObject({ kind: 'settled', text: 'FAILED' });
    expect(after.actions).toEqual(['retry', 'requeue', 'edit', 'delete']);
    expect(after.editable).toEqual(['to', 'body', 'nested.a', 'priority']);
    expect(after.lease).toBeNull();
  });

  it('tell of a cancel, and of a pause', async () => {
    const task = await Letter.push({});
    await Letter.pause({ reason: 'night' });
    expect((await details(task._id)).blockedBy).toMatchObject([{ text: 'The queue is paused: night' }]);
    await Letter.resume();

    await task.cancel({ reason: 'not wanted' });

    const { life, blockedBy } = await details(task._id);
    expect(life.map(({ text }) => text)).toContain('Cancelled: not wanted');
    expect(blockedBy).toMatchObject([{ text: 'Cancelled: not wanted' }]);
  });

  it('show fields as the formatters say, and nothing that is hidden', async () => {
    const task = await Letter.push({
      to: 'ada',
      body: 'x'.repeat(9_000),
      secret: 's3cret',
      nested: { a: 1, pin: '1234' },
    });
    await rawUpdate(Letter, task._id, { $set: { '_task.progress': { pin: '1234' }, extra: Buffer.alloc(70) } });

    const shown = await details(task._id);

    expect(shown.fields).toMatchObject({
      to: '<ada>',
      secret: '[hidden]',
      nested: { a: 1, pin: '[hidden]' },
      extra: '[70 bytes]',
    });
    // A formatter that throws leaves the value as it is; a long one is cut.
    expect(shown.fields['body']).toMatch(/^x{4000}… \[5000 more characters\]$/);
    expect(shown.progress).toBe('[hidden]');
    expect(JSON.stringify(shown)).not.toMatch(/s3cret|1234/);
  });

  it('are refused for a task that is not there', async () => {
    await expect(details('nobody')).rejects.toThrow(NoSuchTaskError);
  });

  it('show a task of another program as far as it can be read', async () => {
    await nativeOf(Letter).insertOne({ _id: 5, state: 'CREATED', _task: { schedule: 'odd', errors: 'none', key: 5 } });

    expect(await details(5)).toMatchObject({
      row: { id: '{"$numberInt":"5"}', state: 'CREATED' },
      schedule: null,
      failures: [],
    });
  });

  it('show a schedule with its next five runs, and what became of the last one', async () => {
    const task = await Letter.push({}, { cron: '0 3 * * *', timeZone: 'Europe/Berlin', key: 'nightly' });
    await rawUpdate(Letter, task._id, { $set: { '_task.availableAt': new Date(0), '_task.dueAt': new Date(0) } });

    expect(await schedulesOf(view, Letter as never)).toMatchObject([
      { key: 'nightly', overdue: true, lastResult: null },
    ]);
    await (await Letter.pop())!.fail(new Error('no paper'));

    const { schedule, key } = await details(task._id);
    expect(schedule).toMatchObject({ text: '0 3 * * *', timeZone: 'Europe/Berlin' });
    expect(schedule!.next).toHaveLength(5);
    expect(new Set(schedule!.next.map((one) => new Date(one).getUTCMinutes()))).toEqual(new Set([0]));
    expect(key).toBe('nightly');
    expect(await schedulesOf(view, Letter as never)).toMatchObject([
      { overdue: false, lastResult: 'FAILED: no paper' },
    ]);
  });

  it('name the worker that holds the task, as its last beat says', async () => {
    const go = deferred<void>();
    await Letter.push([{ to: 'ada' }, { to: 'bob' }]);
    const worker = new Worker(Letter, { handler: () => go.promise, concurrency: 2 });
    await worker.start();
    try {
      const rows = await eventually(async () => {
        const found = await crewRows(view);
        expect(found[0]?.tasks).toHaveLength(2);
        return found;
      });

      expect(rows).toMatchObject([{ pid: process.pid, models: ['Letter'], concurrency: 2, held: 2, silent: false }]);
      const { rows: tasks } = await listTasks(view, Letter as never, { state: 'RUNNING' });
      expect(tasks.map(({ holder }) => holder)).toEqual([
        expect.stringContaining(`:${process.pid}`),
        expect.stringContaining(`:${process.pid}`),
      ]);
      // The public list of workers is as it was.
      expect(Object.keys((await Letter.workers())[0]!)).not.toContain('tasks');
      go.resolve();
      await eventually(async () => expect((await crewRows(view))[0]?.tasks).toEqual([]));
    } finally {
      go.resolve();
      await worker.stop();
    }
  });

  it('show what a worker holds of each kind, once, by few reads', async () => {
    const monitored = await monitoredConnection(database.uri);
    const Base = monitored.connection.model('Parcel', taskQueue(new Schema({ to: String })));
    const Small = Base.discriminator('SmallParcel', new Schema({}));
    const Large = Base.discriminator('LargeParcel', new Schema({}));
    await Small.push({ to: 'ada' });
    await Large.push({ to: 'bob' });
    const go = deferred<void>();
    const worker = new Worker(Base, { handler: () => go.promise, concurrency: 2 });
    await worker.start();
    try {
      const held = async (...models: (typeof Base)[]) => {
        const [row] = await crewRows(new View({ models }));
        return row?.tasks.map(({ model }) => model) ?? [];
      };
      await eventually(async () => expect(await held(Base)).toEqual(['Parcel', 'Parcel']));

      expect(await held(Small as never, Large as never)).toEqual(['SmallParcel', 'LargeParcel']);
      expect(await held(Base, Small as never)).toEqual(['Parcel', 'Parcel']);
      monitored.forget();
      await held(Small as never, Large as never);
      const reads = monitored.sent('find').map(({ body }) => body['find'] as string);
      expect(reads.filter((name) => name.startsWith('parcels')).toSorted()).toEqual([
        'parcels',
        'parcels',
        'parcels.queue',
      ]);
    } finally {
      go.resolve();
      await worker.stop();
    }
  });
});

function throwing(): never {
  throw new Error('odd');
}
