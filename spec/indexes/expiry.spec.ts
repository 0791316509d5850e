import { Schema } from 'mongoose';
import { constant, taskQueue, type TaskQueueOptions } from 'mongoose-task-queue';
import { monitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { endLease, nativeOf, rawUpdate, stored } from '../support/raw';
import { heldHandler, makeWorker, nextEvent, startWorker } from '../support/worker';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

interface Times {
  availableAt: Date;
  dueAt: Date;
  expiresFrom?: Date;
}

describe('the expiry of a task', () => {
  const database = useDatabase();
  let count = 0;
  const make = (options: TaskQueueOptions = {}) =>
    database.connection.model(`Job${++count}`, taskQueue(new Schema({ n: Number }), options));
  type Job = ReturnType<typeof make>;

  const times = async (Job: Job) => (await nativeOf(Job).findOne())!['_task'] as Times;
  const until = (Job: Job, ms: number) => ({
    async isKept() {
      const { availableAt, expiresFrom } = await times(Job);
      expect(expiresFrom!.getTime() + ms).toBeGreaterThanOrEqual(availableAt.getTime());
    },
  });

  describe('counts from when it is due again', () => {
    it('after `retry({ delayMs })`', async () => {
      const Job = make();
      await Job.push({ n: 1 });

      await (await Job.pop())!.retry({ delayMs: 2 * DAY });

      const { dueAt, expiresFrom } = await times(Job);
      expect(expiresFrom).toEqual(dueAt);
    });

    it('after a retry that changes the document', async () => {
      const Job = make();
      await Job.push({ n: 1 });
      const job = (await Job.pop())!;
      job.n = 2;

      await job.retry({ delayMs: 2 * DAY });

      const { dueAt, expiresFrom } = await times(Job);
      expect(expiresFrom).toEqual(dueAt);
    });

    it('after the backoff of a worker', async () => {
      const Job = make({ backoff: constant(2 * DAY) });
      await Job.push({ n: 1 });
      const worker = makeWorker(Job, { handler: () => Promise.reject(new Error('no')) });
      await worker.start();

      await nextEvent(worker, 'retried');

      const { dueAt, expiresFrom } = await times(Job);
      expect(expiresFrom).toEqual(dueAt);
    });

    it('after a push that moves it', async () => {
      const Job = make();
      const job = await Job.push({ n: 1 });

      await job.push({ delayMs: 2 * DAY });

      const { dueAt, expiresFrom } = await times(Job);
      expect(expiresFrom).toEqual(dueAt);
    });
  });

  describe('comes after every hold', () => {
    it('of a lease that is longer', async () => {
      const Job = make({ expireAfterSeconds: 60, leaseMs: DAY });
      await Job.push({ n: 1 });

      await Job.pop();

      await until(Job, MINUTE).isKept();
    });

    it('of leases that are taken in one claim', async () => {
      const Job = make({ expireAfterSeconds: 60, leaseMs: DAY });
      await Job.push([{ n: 1 }, { n: 2 }]);

      await Job.popMany(2);

      const kept = await nativeOf(Job).countDocuments({ '_task.expiresFrom': { $gt: new Date(Date.now() + DAY / 2) } });
      expect(kept).toBe(2);
    });

    it('and the backoff after a lease that ended', async () => {
      const Job = make({ expireAfterSeconds: 60, leaseMs: 1_000, maxAttempts: 5, backoff: constant(DAY) });
      const { _id } = await Job.push({ n: 1 });
      for (let attempt = 1; attempt <= 2; attempt++) {
        expect(await Job.pop()).not.toBeNull();
        await until(Job, MINUTE).isKept();
        await endLease(Job, _id);
      }
    });

    it('that is renewed until then', async () => {
      const Job = make({ expireAfterSeconds: 60 });
      const { _id } = await Job.push({ n: 1 });
      const job = (await Job.pop())!;
      // As if it had been worked on for an hour.
      await rawUpdate(Job, _id, { $set: { '_task.expiresFrom': new Date(Date.now() - 60 * MINUTE) } });

      await job.renew(1_000);
      await until(Job, MINUTE).isKept();

      await rawUpdate(Job, _id, { $set: { '_task.expiresFrom': new Date(Date.now() - 60 * MINUTE) } });
      await job.progress('half');
      await until(Job, MINUTE).isKept();
    });

    it('that a worker renews', async () => {
      const Job = make({ expireAfterSeconds: 60, leaseMs: 300 });
      const { _id } = await Job.push({ n: 1 });
      const { handler, call } = heldHandler();
      await startWorker(Job, { handler });
      const { end } = await call(1);
      await rawUpdate(Job, _id, { $set: { '_task.expiresFrom': new Date(Date.now() - 60 * MINUTE) } });

      await eventually(() => until(Job, MINUTE).isKept());

      end.resolve();
    });
  });

  describe('stays as it was', () => {
    it('by a hold that ends before, and costs its claim nothing', async () => {
      const { connection, sent } = await monitoredConnection(database.uri);
      const Job = connection.model('Usual', taskQueue(new Schema({ n: Number })));
      const { _id } = await Job.push({ n: 1 });
      const before = (await stored(Job, _id))['_task'] as Times;

      const job = (await Job.pop())!;
      await job.renew();

      expect(await stored(Job, _id)).toMatchObject({ _task: { expiresFrom: before.expiresFrom } });
      expect(JSON.stringify(sent('findAndModify')[0]!.body)).not.toContain('expiresFrom');
      await connection.destroy();
    });

    it('of a task that has none, whatever is done to it', async () => {
      const Job = make({ expireAfterSeconds: 1, leaseMs: 5_000 });
      await Job.init();
      await nativeOf(Job).insertOne({ n: 1, state: 'CREATED' });

      const job = (await Job.pop())!;
      await job.renew();
      await job.retry({ delayMs: 0 });

      expect(await times(Job)).not.toHaveProperty('expiresFrom');
    });

    it.each([['soon'], [5], [null], [[new Date()]]])('and keeps nobody from a claim where it is %p', async (value) => {
      const Job = make({ expireAfterSeconds: 1, leaseMs: 5_000 });
      const { _id } = await Job.push({ n: 1 });
      await rawUpdate(Job, _id, { $set: { '_task.expiresFrom': value } });

      const job = (await Job.pop())!;
      await job.renew();
      await job.finish();

      expect((await stored(Job, _id))['state']).toBe('FINISHED');
    });

    it('of a task that waits for others: a day after it was due', async () => {
      const Job = make();
      const source = { type: Schema.Types.ObjectId, ref: Job.modelName };
      const Next = database.connection.model(
        'Next',
        taskQueue(new Schema({ source }), { dependencies: { source: 'DIRECT' } }),
      );
      const next = await Next.push({ source: (await Job.push({ n: 1 }))._id });

      expect(await Next.pop()).toBeNull();

      const { dueAt, expiresFrom } = (await stored(Next, next._id))['_task'] as Times;
      expect(expiresFrom).toEqual(dueAt);
    });
  });
});
