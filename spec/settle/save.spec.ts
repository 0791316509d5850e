import { Schema } from 'mongoose';
import { State, taskQueue, Worker } from 'mongoose-task-queue';
import { useDatabase } from '../support/database';
import { nativeOf, stored } from '../support/raw';

describe('a save hook that throws after the write', () => {
  const database = useDatabase('replicaSet');
  let isDown = false;
  const down = new Error('the metrics are down');
  const makeJob = () => {
    const schema = new Schema({ n: Number, list: [Number] });
    schema.post('save', () => {
      if (isDown) throw down;
    });
    return database.connection.model('Job', taskQueue(schema));
  };
  let Job: ReturnType<typeof makeJob>;

  beforeAll(async () => {
    Job = makeJob();
    await Job.ensureTaskIndexes();
  });

  beforeEach(async () => {
    isDown = false;
    await Job.deleteMany();
    await Job.push({ n: 1, list: [1] });
  });

  it.each([
    ['finish', 'FINISHED'],
    ['fail', 'FAILED'],
    ['retry', 'CREATED'],
    ['release', 'CREATED'],
  ] as const)('is told by %s(), which has settled the task', async (verb, state) => {
    const task = (await Job.pop())!;
    task.n = 2;
    task.list.push(2);
    isDown = true;

    await expect(task[verb]()).rejects.toBe(down);

    expect(await stored(Job, task._id)).toMatchObject({ state, n: 2, list: [1, 2] });
    expect([task.lease, task.state, task.isModified()]).toEqual([null, state, false]);
  });

  it('is told by push() of a stored document, which is queued', async () => {
    const task = await (await Job.findOne().orFail()).finish();
    task.n = 2;
    isDown = true;

    await expect(task.push()).rejects.toBe(down);

    expect(await stored(Job, task._id)).toMatchObject({ state: 'CREATED', n: 2 });
    isDown = false;
    expect((await Job.pop())?.n).toBe(2);
  });

  it('aborts a transaction, and leaves the task to be settled', async () => {
    const task = (await Job.pop())!;
    task.n = 2;
    isDown = true;

    await expect(database.connection.transaction((session) => task.finish({ session }))).rejects.toBe(down);

    isDown = false;
    expect(task.lease).not.toBeNull();
    await task.finish();
    expect(await stored(Job, task._id)).toMatchObject({ state: 'FINISHED', n: 2 });
  });

  it('is told by a worker as an error, beside what became of the task', async () => {
    const events: unknown[] = [];
    const worker = new Worker(Job, { handler: (task) => void (task.n = 2) });
    for (const name of ['finished', 'failed', 'retried', 'released', 'lost'] as const)
      worker.on(name, () => events.push(name));
    const finished = new Promise((resolve) => worker.once('finished', resolve));
    worker.on('error', (error) => events.push(error));
    isDown = true;

    await worker.start();
    await finished;
    await worker.stop();

    expect(events).toEqual([down, 'finished']);
    expect(await nativeOf(Job).findOne()).toMatchObject({ state: State.FINISHED, n: 2 });
  });

  it('is told as well where the worker fails the attempt', async () => {
    const events: unknown[] = [];
    const worker = new Worker(Job, {
      handler: (task) => {
        task.n = 2;
        throw new Error('no');
      },
    });
    worker.on('error', (error) => events.push(error));
    const retried = new Promise((resolve) => worker.once('retried', (_task, error) => resolve(error)));
    isDown = true;

    await worker.start();

    await expect(retried).resolves.toMatchObject({ message: 'no' });
    await worker.stop();
    expect(events).toEqual([down]);
  });
});

describe('retry() of the last attempt without an error', () => {
  const database = useDatabase();

  it('leaves a reason in `failures`', async () => {
    const Job = database.connection.model('Job', taskQueue(new Schema({ n: Number }), { maxAttempts: 1 }));
    await Job.push({ n: 1 });
    const task = (await Job.pop())!;

    await task.retry();

    const message = 'The last attempt was to be retried, and no error was given for it.';
    expect(task.state).toBe(State.FAILED);
    for (const one of [task, await Job.findOne().orFail()])
      expect(one.failures).toMatchObject([{ message, attempt: 1 }]);
  });
});
