import { Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { advance, drain } from '../../lib/testing';
import { useDatabase } from '../support/database';
import { nativeOf, rawUpdate, stored } from '../support/raw';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe('advance', () => {
  const database = useDatabase();
  let count = 0;
  const makeJob = () => database.connection.model(`Job${++count}`, taskQueue(new Schema({ n: Number })));

  it('makes delayed tasks due, by their own delays', async () => {
    const Job = makeJob();
    await Job.push({ n: 1 }, { delayMs: 1_000 });
    await Job.push({ n: 2 }, { delayMs: 10_000 });

    await advance(Job, 1_000);
    expect((await Job.popMany(5)).map(({ n }) => n)).toEqual([1]);
    await advance(Job, 9_000);
    expect((await Job.popMany(5)).map(({ n }) => n)).toEqual([2]);
  });

  it('ends leases, and nothing else of a task that runs', async () => {
    const Job = makeJob();
    await Job.push({ n: 1 });
    const first = (await Job.pop())!;

    await advance(Job, 299_000);
    expect(await Job.pop()).toBeNull();
    await advance(Job, 1_000);
    expect(await Job.pop()).toMatchObject({ n: 1, attempts: 2 });
    await expect(first.finish()).rejects.toMatchObject({ name: 'LeaseLostError' });
  });

  it('leaves a parked task to what it waits for', async () => {
    const Part = makeJob();
    const schema = new Schema({ part: { type: Schema.Types.ObjectId, ref: Part.modelName, dependsOn: 'DIRECT' } });
    const Whole = database.connection.model('Whole', taskQueue(schema));
    const part = await Part.push({ n: 1 });
    const { _id } = await Whole.push({ part: part._id } as never);

    await advance([Whole, Part], 10 * DAY);

    expect(await Whole.pop()).toBeNull();
    expect((await stored(Whole, _id))['_task'].availableAt).toEqual(new Date('9999-12-31T00:00:00Z'));
    await drain(Part, { handler: () => {} });
    expect((await Whole.pop())?._id).toEqual(_id);
  });

  it('ends the window of a throttled key, and cancels what was not started in time', async () => {
    const Job = makeJob();
    await (await Job.push({ n: 1 }, { key: 'a', throttleMs: 60_000 })).finish();
    expect((await Job.push({ n: 2 }, { key: 'a', throttleMs: 60_000 })).pushOutcome).toBe('kept');
    await Job.push({ n: 3 }, { startWithinMs: 5_000 });

    await advance(Job, 60_000);

    expect((await Job.push({ n: 2 }, { key: 'a', throttleMs: 60_000 })).pushOutcome).toBe('queued');
    expect(await drain(Job, { handler: () => {} })).toMatchObject({ finished: 1 });
    expect((await Job.findOne({ n: 3 }))?.state).toBe('CANCELLED');
  });

  it.each([
    { steps: 7, stepMs: DAY },
    { steps: 14, stepMs: 12 * HOUR },
    { steps: 24, stepMs: 7 * HOUR },
    { steps: 168, stepMs: HOUR },
  ])('makes seven nightly runs of a week in $steps steps', async ({ steps, stepMs }) => {
    const Job = makeJob();
    await Job.push({ n: 1 }, { key: 'nightly', cron: '0 3 * * *', timeZone: 'Europe/Berlin' });
    let runs = 0;

    for (let step = 0; step < steps; step++) {
      await advance(Job, stepMs);
      await drain(Job, { handler: () => void runs++ });
    }

    expect(runs).toBe(7);
  });

  it('keeps the phase of `every`', async () => {
    const Job = makeJob();
    await Job.push({ n: 1 }, { key: 'often', every: 10 * 60_000 });
    let runs = 0;
    const work = () => drain(Job, { handler: () => void runs++ });
    await work();

    for (let step = 0; step < 20; step++) {
      await advance(Job, 3 * 60_000);
      await work();
    }

    expect(runs).toBe(1 + 6);
  });

  it('leaves alone what is no time, and what is no task', async () => {
    const Job = makeJob();
    const { _id } = await Job.push({ n: 1 });
    await rawUpdate(Job, _id, { $set: { '_task.dueAt': 'soon' }, $unset: { '_task.expiresFrom': 1 } });
    const plain = await new Job({ n: 2 }).save();
    const before = await stored(Job, plain._id);

    await advance(Job, DAY);

    const { _task: task } = await stored(Job, _id);
    expect(task).toMatchObject({ dueAt: 'soon' });
    expect(Object.keys(task)).not.toContain('expiresFrom');
    expect(Object.keys(task)).not.toContain('lastRun');
    expect(await stored(Job, plain._id)).toEqual(before);
    expect(await nativeOf(Job).countDocuments()).toBe(2);
  });

  it.each([-1, 1.5, Infinity, '1s'])('refuses %p', async (ms) => {
    await expect(advance(makeJob(), ms as number)).rejects.toMatchObject({ name: 'InvalidOptionError' });
  });
});
