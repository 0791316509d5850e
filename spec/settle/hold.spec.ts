import { Schema, Types } from 'mongoose';
import { lastProgress, LeaseLostError, progress, taskQueue, TaskStateError } from 'mongoose-task-queue';
import { useDatabase } from '../support/database';
import { monitoredConnection } from '../support/commands';
import { endLease, nativeOf, stored } from '../support/raw';
import { makeWorker, nextEvent } from '../support/worker';

const LEASE_MS = 60_000;

describe('the progress of a task', () => {
  const database = useDatabase();
  const make = () =>
    database.connection.model('Import', taskQueue(new Schema({ file: String }), { leaseMs: LEASE_MS }));
  let Import: ReturnType<typeof make>;
  beforeAll(() => {
    Import = make();
  });
  beforeEach(() => nativeOf(Import).deleteMany({}));

  async function popped() {
    await Import.push({ file: 'a.csv' });
    return (await Import.pop())!;
  }

  it.each([[5], ['half'], [{ done: 5, of: 10 }], [[1, 2]], [null], [true], ['$file'], [{ $literal: 1 }]])(
    'is stored as %p, and read by its holder and by others',
    async (value) => {
      const task = await popped();
      await task.progress(value);

      const found = await Import.findById(task._id);
      expect([task.lastProgress, found!.lastProgress]).toEqual([value, value]);
    },
  );

  it('renews the lease in the same write', async () => {
    const monitored = await monitoredConnection(database.uri);
    const Theirs = monitored.connection.model('Import', Import.schema);
    await Import.push({ file: 'a.csv' });
    const task = (await Theirs.pop())!;
    await nativeOf(Import).updateOne({ _id: task._id }, { $set: { '_task.availableAt': new Date() } });
    monitored.forget();

    const lease = await task.progress(0.5);

    expect(monitored.all().map(({ name }) => name)).toEqual(['findAndModify']);
    const { availableAt } = (await stored(Import, task._id))['_task'] as { availableAt: Date };
    expect(lease.until).toEqual(availableAt);
    expect(task.lease).toEqual(lease);
    expect(availableAt.getTime() - Date.now()).toBeGreaterThan(LEASE_MS / 2);
  });

  it('leaves the fields of the document alone', async () => {
    const task = await popped();
    task.file = 'b.csv';

    await task.progress(1);

    expect(await stored(Import, task._id)).toMatchObject({ file: 'a.csv', _task: { progress: 1 } });
    expect(task.isModified('file')).toBe(true);
  });

  it('is that of the last call', async () => {
    const task = await popped();

    await task.progress(1);
    await task.progress(2);

    expect((await Import.findById(task._id))!.lastProgress).toBe(2);
  });

  it('is nothing while nothing was said', async () => {
    expect((await popped()).lastProgress).toBeUndefined();
  });

  it('is kept when the task ends and when it is tried again, and gone when it is pushed again', async () => {
    const task = await popped();
    await task.progress('half');
    await task.retry({ delayMs: 0 });
    const again = (await Import.pop())!;
    expect(again.lastProgress).toBe('half');
    await again.finish();
    expect((await Import.findById(task._id))!.lastProgress).toBe('half');

    const pushed = await again.push();

    expect([pushed.lastProgress, (await Import.findById(task._id))!.lastProgress]).toEqual([undefined, undefined]);
  });

  it('is no field of the document', async () => {
    const task = await popped();
    await task.progress('half');

    expect(JSON.stringify(task)).not.toContain('half');
    expect(JSON.stringify(await Import.findById(task._id))).not.toContain('half');
  });

  it('is refused to a document that holds no lease', async () => {
    const task = await popped();
    const found = await Import.findById(task._id);

    await expect(found!.progress(1)).rejects.toBeInstanceOf(TaskStateError);
    await task.finish();
    await expect(task.progress(1)).rejects.toBeInstanceOf(TaskStateError);

    expect((await stored(Import, task._id))['_task']).not.toHaveProperty('progress');
  });

  it('is refused to one whose lease was lost', async () => {
    const late = await popped();
    await endLease(Import, late._id);
    const next = (await Import.pop())!;
    await next.progress('theirs');

    await expect(late.progress('mine')).rejects.toBeInstanceOf(LeaseLostError);

    expect((await stored(Import, late._id))['_task']).toMatchObject({ progress: 'theirs' });
    expect(late.lastProgress).toBeUndefined();
  });

  it('is a function as well', async () => {
    const task = await popped();

    await progress(task, 7);

    expect(lastProgress(task)).toBe(7);
  });

  it('can be told by a handler', async () => {
    const { _id } = await Import.push({ file: 'a.csv' });
    const worker = makeWorker(Import, { handler: (task) => task.progress({ rows: 10, at: new Types.ObjectId(_id) }) });
    const finished = nextEvent(worker, 'finished');
    await worker.start();
    await finished;

    expect((await Import.findById(_id))!.lastProgress).toEqual({ rows: 10, at: _id });
  });
});
