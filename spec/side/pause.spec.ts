import { Schema, type Model } from 'mongoose';
import { InvalidOptionError, State, taskQueue } from 'mongoose-task-queue';
import { LOOK_MS, lookOf } from '../../lib/side/look';
import { sleep } from '../../lib/timers';
import { startProgram } from '../support/child';
import { monitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { nativeOf } from '../support/raw';
import { heldHandler, makeWorker, startWorker } from '../support/worker';

const database = useDatabase();

function makeModel(name: string, connection = database.connection) {
  return connection.model(name, taskQueue(new Schema({ number: Number }), { category: true }));
}

function of(length: number, category?: string): { number: number; category?: string }[] {
  return Array.from({ length }, (_, number) => (category === undefined ? { number } : { number, category }));
}

describe('a paused queue', () => {
  it('hands nothing out until it is resumed', async () => {
    const Still = makeModel('Still');
    await Still.push(of(3));
    await Still.pause();

    expect(await Still.pop()).toBeNull();
    expect(await Still.popMany(10)).toEqual([]);
    expect(await Still.isEmpty()).toBe(true);
    await Still.resume();
    expect(await Still.isEmpty()).toBe(false);
    expect(await Still.popMany(10)).toHaveLength(3);
  });

  it('is why its tasks wait, as `blockedBy()` tells, and those of a paused category alone', async () => {
    const Waits = makeModel('Waits');
    const [mail, report] = await Waits.push([...of(1, 'mail'), ...of(1, 'report')]);
    await Waits.pause({ category: 'mail', reason: 'the provider is down' });
    const pause = { path: null, type: 'paused', documents: [], cycle: null };

    expect(await mail!.blockedBy()).toEqual([{ ...pause, reason: 'the provider is down' }]);
    expect(await report!.blockedBy()).toEqual([]);
    await Waits.pause();
    expect(await report!.blockedBy()).toEqual([pause]);
    await Waits.resume();
    await Waits.resume({ category: 'mail' });
    expect(await mail!.blockedBy()).toEqual([]);
  });

  it('is asked for nothing', async () => {
    const monitored = await monitoredConnection(database.uri);
    const Asked = makeModel('Asked', monitored.connection);
    await Asked.push(of(1));
    await Asked.pause();
    await Asked.pop();
    monitored.forget();
    await Promise.all([Asked.pop(), Asked.popMany(5), Asked.isEmpty(), Asked.pop({ category: 'mail' })]);

    expect(monitored.all()).toEqual([]);
  });

  it('is so for a process that heard of it only by looking', async () => {
    const monitored = await monitoredConnection(database.uri);
    const There = makeModel('There', monitored.connection);
    const Here = makeModel('There');
    await Here.push(of(2));
    expect(await Here.pop()).not.toBeNull();
    await There.pause();
    await sleep(LOOK_MS);

    expect(await Here.pop()).toBeNull();
  });

  it('tells since when and why, and keeps the time when it is paused again', async () => {
    const Told = makeModel('Told');
    await Told.pause({ reason: 'first' });
    const [first] = await Told.paused();
    await Told.pause({ reason: '$since' });
    await Told.pause({ category: 'mail' });

    expect(await Told.paused()).toEqual([
      { category: null, reason: '$since', since: first!.since },
      { category: 'mail', reason: null, since: expect.any(Date) as Date },
    ]);
  });

  it('stays paused when something else is resumed', async () => {
    const Parts = makeModel('Parts');
    await Parts.pause({ category: 'mail' });
    await Parts.pause();
    await Parts.resume();

    expect((await Parts.paused()).map(({ category }) => category)).toEqual(['mail']);
    await Parts.resume({ category: 'mail' });
    await Parts.resume({ category: 'mail' });
    expect(await Parts.paused()).toEqual([]);
  });

  it('makes no collection by being resumed', async () => {
    const Never = makeModel('Never');
    await Never.resume();

    expect(await database.connection.db!.listCollections({ name: 'nevers.queue' }).toArray()).toEqual([]);
  });

  it.each([
    [{ reason: '' }, 'reason'],
    [{ reason: 'x'.repeat(1_001) }, 'reason'],
    [{ category: '' }, 'category'],
    [{ categories: 'mail' }, 'categories'],
  ])('refuses wrong options %#', async (options, named) => {
    const Refused = makeModel(`Refused${named}${JSON.stringify(options).length}`);

    await expect(Refused.pause(options as never)).rejects.toThrow(InvalidOptionError);
    await expect(Refused.pause(options as never)).rejects.toThrow(named);
    expect(await Refused.paused()).toEqual([]);
  });

  it('refuses a category where tasks have none', async () => {
    const Plain = database.connection.model('Plain', taskQueue(new Schema({})));

    await expect(Plain.pause({ category: 'mail' })).rejects.toThrow(/category: true/);
  });
});

describe('a paused category', () => {
  it('is left out, whatever is asked for', async () => {
    const Mixed = makeModel('Mixed');
    await Mixed.push([...of(2, 'mail'), ...of(2, 'print'), ...of(1)]);
    await Mixed.pause({ category: 'mail' });

    expect(await Mixed.pop({ category: 'mail' })).toBeNull();
    expect(await Mixed.isEmpty({ category: 'mail' })).toBe(true);
    expect((await Mixed.pop({ category: ['mail', 'print'] }))!.category).toBe('print');
    const others = (await Mixed.popMany(10)).map(({ category }) => category);
    expect(others).toEqual(['print', undefined]);
    expect(await Mixed.isEmpty()).toBe(true);
    await Mixed.resume({ category: 'mail' });
    expect(await Mixed.popMany(10)).toHaveLength(2);
  });

  it('is left out by name: the claim does not walk past its tasks', async () => {
    const monitored = await monitoredConnection(database.uri);
    const Walked = makeModel('Walked', monitored.connection);
    await Walked.push([...of(50, 'mail'), ...of(1, 'print'), ...of(1, 'fax')]);
    await Walked.pause({ category: 'mail' });
    monitored.forget();

    expect((await Walked.pop())!.category).toBe('print');
    const [claim] = monitored.sent('findAndModify');
    expect(claim!.body['query']).toMatchObject({ category: { $in: ['fax', 'print'] } });
    expect(claim!.body['hint']).toBe('task_category');
  });

  it('is left out where there are too many others to name', async () => {
    const Many = makeModel('Many');
    await Many.push([
      ...of(1, 'mail'),
      ...Array.from({ length: 120 }, (_, number) => ({ number, category: `category ${number}` })),
    ]);
    await Many.pause({ category: 'mail' });

    const popped = await Many.popMany(200);
    expect(popped).toHaveLength(120);
    expect(popped.some(({ category }) => category === 'mail')).toBe(false);
  });
});

describe('a pause of a kind', () => {
  function makeKinds(name: string) {
    const Base = database.connection.model(
      name,
      taskQueue(new Schema({ number: Number }, { discriminatorKey: 'kind' })),
    );
    const Mail = Base.discriminator(`${name}Mail`, new Schema({ to: String }));
    const Fax = Base.discriminator(`${name}Fax`, new Schema({ line: String }));

    return { Base, Mail, Fax };
  }

  it('holds for it and for the pops of its base', async () => {
    const { Base, Mail, Fax } = makeKinds('Sorted');
    await Mail.push({ number: 1, to: 'ada' });
    await Fax.push({ number: 2, line: '1' });
    await Mail.pause({ reason: 'mail is down' });

    expect(await Mail.pop()).toBeNull();
    expect(await Base.popMany(10)).toEqual([expect.objectContaining({ number: 2 })]);
    expect(await Base.paused()).toEqual([]);
    expect(await Mail.paused()).toEqual([expect.objectContaining({ reason: 'mail is down' })]);
    await Mail.resume();
    expect(await Mail.pop()).not.toBeNull();
  });

  it('of the base holds for all', async () => {
    const { Base, Mail } = makeKinds('Whole');
    await Mail.push({ number: 1, to: 'ada' });
    await Base.pause();

    expect(await Mail.pop()).toBeNull();
    expect(await Mail.paused()).toHaveLength(1);
    await Mail.resume();
    expect(await Mail.pop()).toBeNull();
  });
});

describe('consumers of a paused queue', () => {
  it('go on when it is resumed', async () => {
    const Waited = makeModel('Waited');
    await Waited.pause();
    const done: (number | null | undefined)[] = [];
    await startWorker(Waited, { handler: ({ number }) => void done.push(number), pollMs: 3_600_000 });
    const queue = Waited.queue({ pollMs: 3_600_000 });
    const next = queue.next();
    await Waited.push(of(2));
    await sleep(100);

    expect(done).toEqual([]);
    await Waited.resume();
    await next;
    await queue.return();
    await eventually(() => expect(done).toHaveLength(1));
  });

  it('give back what they have claimed ahead, uncharged, and finish what they work on', async () => {
    const Ahead = makeModel('Ahead');
    const { handler, calls, call } = heldHandler<unknown>();
    let isFast = true;
    const worker = makeWorker(Ahead, { handler: (task, context) => (isFast ? undefined : handler(task, context)) });
    await Ahead.push(of(50));
    await worker.start();
    await eventually(async () => expect(await Ahead.countDocuments({ state: State.FINISHED })).toBe(50));
    isFast = false;
    await Ahead.push(of(20));
    await call(1);
    await Ahead.pause();
    await eventually(async () => expect(await Ahead.countDocuments({ state: State.RUNNING })).toBe(1));

    expect(await nativeOf(Ahead).countDocuments({ state: State.CREATED, '_task.attempts': { $gt: 0 } })).toBe(0);
    calls[0]!.end.resolve();
    await eventually(async () => expect(await Ahead.countDocuments({ state: State.FINISHED })).toBe(51));
    expect(calls).toHaveLength(1);
    await worker.stop({ timeoutMs: 0 });
  });

  it('in several processes begin nothing once a look is over, and lose nothing', async () => {
    const Parcel = database.connection.model('Parcel', taskQueue(new Schema({ number: Number })));
    const TASKS = 12_000;
    for (let pushed = 0; pushed < TASKS; pushed += 4_000) await Parcel.push(of(4_000));
    const workers = Array.from({ length: 3 }, () => startProgram('pausable-worker', { uri: database.uri }));
    await Promise.all(workers.map((worker) => worker.line(({ busy }) => busy === true)));
    await Parcel.pause();
    const [{ since }] = (await Parcel.paused()) as unknown as [{ since: Date }];
    await sleep(1_000);
    await eventually(async () => expect(await Parcel.countDocuments({ state: State.RUNNING })).toBe(0));
    const done = await begun(Parcel);
    await sleep(2 * LOOK_MS);

    expect(await begun(Parcel)).toBe(done);
    const late = new Date(since.getTime() + 1_000);
    // On a busy machine a claim may come to the server long after its process has sent it: one of each, at most.
    const claims = await nativeOf(Parcel).distinct('_task.startedAt', { '_task.startedAt': { $gt: late } });
    expect(claims.length).toBeLessThanOrEqual(workers.length);
    expect(done).toBeLessThan(TASKS);
    await Parcel.resume();
    await eventually(async () => expect(await Parcel.countDocuments({ state: State.FINISHED })).toBe(TASKS));
    expect(await nativeOf(Parcel).countDocuments({ '_task.attempts': { $ne: 1 } })).toBe(0);
    workers.forEach((worker) => worker.kill());
    await Promise.all(workers.map(({ exit }) => exit));
  });
});

const begun = (model: Pick<Model<unknown>, 'countDocuments'>) =>
  model.countDocuments({ state: { $ne: State.CREATED } });

describe('pausing costs', () => {
  it('nothing per claim: one look serves all claims of its time', async () => {
    const monitored = await monitoredConnection(database.uri, { countsLooks: true });
    const Cheap = makeModel('Cheap', monitored.connection);
    await Cheap.push(of(200));
    await Cheap.pop();
    await lookOf(Cheap).again();
    monitored.forget();
    const startedAt = performance.now();
    for (let count = 0; count < 100; count++) await Cheap.pop();
    const looks = Math.ceil((performance.now() - startedAt) / LOOK_MS);

    expect(monitored.sent('findAndModify')).toHaveLength(100);
    expect(monitored.sent('find').length).toBeLessThanOrEqual(looks);
  });
});
