import { Schema, type ClientSession } from 'mongoose';
import { LeaseLostError, State, taskQueue, TaskStateError, Worker } from 'mongoose-task-queue';
import { deferred } from '../support/deferred';
import { useDatabase } from '../support/database';
import { endLease, nativeOf, storedBytes } from '../support/raw';

describe('a holder who is late', () => {
  const database = useDatabase('replicaSet');
  const makeJob = () =>
    database.connection.model('Job', taskQueue(new Schema({ n: Number, list: [Number] }), { maxAttempts: 9 }));
  let Job: ReturnType<typeof makeJob>;
  type Task = InstanceType<ReturnType<typeof makeJob>>;

  beforeAll(async () => {
    Job = makeJob();
    await Job.ensureTaskIndexes();
  });

  beforeEach(() => Job.deleteMany());

  const VERBS: Record<string, (task: Task, session?: ClientSession) => Promise<unknown>> = {
    push: (task, session) => task.push({ session }),
    'push with a delay': (task, session) => task.push({ session, delayMs: 5 }),
    'push with a key': (task, session) => task.push({ session, key: 'k' }),
    finish: (task, session) => task.finish({ session }),
    fail: (task, session) => task.fail(new Error('late'), { session }),
    retry: (task, session) => task.retry({ session, delayMs: 5 }),
    release: (task, session) => task.release({ session }),
    renew: (task) => task.renew(),
    progress: (task) => task.progress(1),
  };

  const takeOver = async (task: Task) => {
    await endLease(Job, task._id);
    return (await Job.pop())!;
  };
  /** What others did with the task meanwhile. */
  const MEANWHILE: Record<string, (task: Task) => Promise<unknown>> = {
    'was taken over and runs': takeOver,
    'was finished': async (task) => (await takeOver(task)).finish(),
    'was failed': async (task) => (await takeOver(task)).fail(new Error('down')),
    'was retried': async (task) => (await takeOver(task)).retry({ delayMs: 3_600_000 }),
    'was released': async (task) => (await takeOver(task)).release(),
    'was failed and requeued': async (task) => {
      await (await takeOver(task)).fail();
      await Job.requeue({});
    },
    'was finished and pushed again': async (task) => {
      const other = await takeOver(task);
      await other.finish();
      await other.push();
    },
    'was put back and popped again': async (task) => {
      await (await takeOver(task)).release();
      await Job.pop();
    },
  };

  const held = async (isChanged: boolean): Promise<Task> => {
    await Job.push({ n: 1, list: [1] });
    const task = (await Job.pop())!;
    if (isChanged) {
      task.n = 99;
      task.list.push(2);
    }
    return task;
  };
  const outcomeOf = async (work: Promise<unknown>) =>
    work.then(
      () => 'resolved',
      (error: unknown) => error,
    );

  describe.each(Object.entries(MEANWHILE))('of a task that %s', (_what, happen) => {
    it.each(
      Object.entries(VERBS).flatMap(([name, verb]) => [true, false].map((isChanged) => ({ name, verb, isChanged }))),
    )('loses $name(), changed: $isChanged', async ({ verb, isChanged }) => {
      const task = await held(isChanged);
      await happen(task);
      const before = await storedBytes(Job, task._id);

      expect(await outcomeOf(verb(task))).toBeInstanceOf(LeaseLostError);
      expect(await outcomeOf(database.connection.transaction((session) => verb(task, session)))).toBeInstanceOf(
        LeaseLostError,
      );
      expect(await storedBytes(Job, task._id)).toBe(before);
    });

    it('loses save(), and nothing is written', async () => {
      const task = await held(true);
      await happen(task);
      const before = await storedBytes(Job, task._id);

      expect(await outcomeOf(task.save())).toBeInstanceOf(LeaseLostError);
      expect(await outcomeOf(database.connection.transaction((session) => task.save({ session })))).toBeInstanceOf(
        LeaseLostError,
      );
      await task.unschedule();
      expect(await storedBytes(Job, task._id)).toBe(before);
    });
  });

  describe('of a task that was deleted', () => {
    it.each(Object.entries(VERBS))('is told so by %s()', async (_name, verb) => {
      const task = await held(true);
      await Job.deleteMany();

      const error = await outcomeOf(verb(task));

      expect(error).toBeInstanceOf(TaskStateError);
      expect((error as TaskStateError).state).toBeNull();
      expect(await Job.countDocuments()).toBe(0);
    });

    it('is told so by save()', async () => {
      const task = await held(true);
      await Job.deleteMany();

      const ofMongoose = expect.stringMatching(/^(DocumentNotFound|Version)Error$/) as unknown;
      await expect(task.save()).rejects.toMatchObject({ name: ofMongoose });
      expect(await Job.countDocuments()).toBe(0);
    });
  });

  it('may not push the task it holds', async () => {
    const task = await held(true);
    const before = await storedBytes(Job, task._id);

    await expect(task.push()).rejects.toMatchObject({ name: 'TaskStateError', state: State.RUNNING });

    expect(await storedBytes(Job, task._id)).toBe(before);
    await task.finish();
  });

  it('may push what it settled itself when only the answer was lost', async () => {
    const task = await held(false);
    await nativeOf(Job).updateOne({ _id: task._id }, { $set: { state: 'FINISHED' } });

    await task.push();

    expect((await Job.pop())?.id).toBe(task.id);
  });

  it.each(Object.entries(VERBS))('is refused %s() once a worker has given the task up', async (_name, verb) => {
    await Job.push({ n: 1, list: [1] });
    const [given, done] = [deferred<Task>(), deferred()];
    const worker = new Worker(Job, {
      timeoutMs: 20,
      handler: (task) => {
        if (task.attempts === 1) given.resolve(task);
        return done.promise;
      },
    });
    await worker.start();
    const task = await given.promise;
    await new Promise((resolve) => worker.once('retried', resolve));
    await worker.stop({ timeoutMs: 0 });
    task.n = 99;
    const before = await storedBytes(Job, task._id);

    expect(await outcomeOf(verb(task))).toBeInstanceOf(LeaseLostError);
    expect(await outcomeOf(task.save())).toBeInstanceOf(LeaseLostError);
    expect(await storedBytes(Job, task._id)).toBe(before);
    done.resolve();
  });
});
