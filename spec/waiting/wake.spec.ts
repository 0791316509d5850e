import { mongo, Schema, Types, type Connection } from 'mongoose';
import { State, taskQueue } from 'mongoose-task-queue';
import { startProgram } from '../support/child';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { deferred } from '../support/deferred';
import { eventually } from '../support/eventually';
import { beforeNext, isOfReady, isOfWatchers, isOutboxRead, stop } from '../support/interleave';
import { nativeOf, rawUpdate, stored } from '../support/raw';

const { ObjectId } = Schema.Types;

function makeModels(connection: Connection) {
  const Source = connection.model('Source', taskQueue(new Schema({ name: String })));
  const source = { type: ObjectId, ref: 'Source', dependsOn: 'DIRECT' };
  const Report = connection.model('Report', taskQueue(new Schema({ name: String, source })));
  return { Source, Report };
}
type Models = ReturnType<typeof makeModels>;

describe('a wake', () => {
  const database = useDatabase();
  let Source: Models['Source'];
  let Report: Models['Report'];
  /** The same models in what might be another process. */
  let other: Models;

  beforeAll(async () => {
    ({ Source, Report } = makeModels(database.connection));
    other = makeModels(await openConnection(database.uri));
    await Promise.all([Report.pop(), Source.pop(), other.Report.pop(), other.Source.pop()]);
  });

  beforeEach(async () => {
    await Promise.all([Source.deleteMany({}), Report.deleteMany({})]);
  });

  /** A task that is parked behind a source. */
  const parked = async (name = 'report') => {
    const source = await Source.push({ name });
    const report = await Report.push({ name, source: source._id });
    expect(await Report.pop()).toBeNull();
    return { source, report };
  };
  const marksOf = async (_id: unknown) => Object.values((await stored(Source, _id))['_task']?.armed ?? {});
  const finishRaw = (_id: unknown) => rawUpdate(Source, _id, { $set: { state: 'FINISHED' } });

  describe('comes before what was ready all along', () => {
    const rankings: [string, { priority?: number }][] = [
      ['by its priority', { priority: 3 }],
      ['by its age', {}],
    ];

    it.each(rankings)('%s', async (_by, rank) => {
      const source = await Source.push({ name: 'source' });
      const waiting = await Report.push({ name: 'waiting', source: source._id, ...rank });
      await Report.push(Array.from({ length: 3 }, () => ({ name: 'ready' })));
      await finishRaw(source._id);

      expect((await Report.pop())?.id).toBe(waiting.id);
    });

    it.each(rankings)('%s, also for many at once', async (_by, rank) => {
      const source = await Source.push({ name: 'source' });
      const waiting = await Report.push({ name: 'waiting', source: source._id, ...rank });
      await Report.push(Array.from({ length: 20 }, () => ({ name: 'ready' })));
      await finishRaw(source._id);

      const popped = [...(await Report.popMany(2)), ...(await Promise.all([Report.pop(), Report.pop()]))];

      expect(popped[0]?.id).toBe(waiting.id);
    });
  });

  describe('comes with the next pop after', () => {
    const finished = { $set: { state: 'FINISHED' } };
    it.each<[string, (_id: Types.ObjectId) => Promise<unknown>]>([
      ['updateOne()', (_id) => Source.updateOne({ _id }, finished)],
      ['updateMany()', () => Source.updateMany({}, finished)],
      ['findOneAndUpdate()', (_id) => Source.findOneAndUpdate({ _id }, finished)],
      [
        'bulkWrite()',
        (_id) => Source.bulkWrite([{ updateOne: { filter: { _id }, update: { state: State.FINISHED } } }]),
      ],
      ['save()', async (_id) => (await Source.findById(_id))!.set('state', 'FINISHED').save()],
      ['finish() of a producer', async (_id) => (await Source.findById(_id))!.finish()],
      ['finish() of a holder', async () => (await Source.pop())!.finish()],
      ['finish() of a holder on another connection', async () => (await other.Source.pop())!.finish()],
      ['finish() with changes', async () => (await Source.pop())!.set('name', 'changed').finish()],
      [
        'a pipeline',
        (_id) => nativeOf(Source).updateOne({ _id }, [{ $set: { state: { $concat: ['FIN', 'ISHED'] } } }]),
      ],
      [
        'a $merge',
        () =>
          Source.aggregate([
            { $set: { state: 'FINISHED' } },
            { $project: { state: 1 } },
            { $merge: { into: 'sources' } },
          ]),
      ],
    ])('%s', async (_verb, write) => {
      const { source, report } = await parked();

      await write(source._id);

      expect((await Report.pop())?.id).toBe(report.id);
    });

    it('a write of another program', async () => {
      const { source, report } = await parked();
      const client = await mongo.MongoClient.connect(database.uri);
      await client.db(database.connection.name).collection('sources').updateOne({ _id: source._id }, finished);
      await client.close();

      expect((await Report.pop())?.id).toBe(report.id);
    });

    it('a finish in another process', async () => {
      const { source, report } = await parked();
      const finisher = startProgram('finisher', { uri: database.uri, model: 'Source' });
      expect(await finisher.line((message) => 'finished' in message)).toEqual({ finished: source.id });

      expect((await Report.pop())?.id).toBe(report.id);
      await finisher.exit;
    });
  });

  it.each(['pop', 'popMany', 'isEmpty'] as const)('comes with `%s()`', async (verb) => {
    const { source, report } = await parked();
    await finishRaw(source._id);

    const found = verb === 'popMany' ? await Report.popMany(5) : await Report[verb]();

    if (verb === 'isEmpty') expect(found).toBe(false);
    else expect([found].flat()).toMatchObject([{ id: report.id }]);
  });

  it('leaves nothing behind in either document', async () => {
    const { source, report } = await parked();
    await finishRaw(source._id);
    await Report.isEmpty();

    expect(await stored(Report, report._id)).toMatchObject({ state: State.CREATED });
    const { _task: task } = await stored(Report, report._id);
    expect(Object.keys(task).sort()).toEqual(['availableAt', 'dueAt', 'expiresFrom']);
    expect(task.availableAt).toEqual(task.dueAt);
    await eventually(async () => expect((await stored(Source, source._id))['_task']).not.toHaveProperty('armed'));
  });

  it('comes for the marks of each model that watches the document', async () => {
    const source = { type: ObjectId, ref: 'Source', dependsOn: 'DIRECT' };
    const Invoice = database.connection.model('Invoice', taskQueue(new Schema({ source })));
    const pushed = await Source.push({ name: 'source' });
    const report = await Report.push({ source: pushed._id });
    const invoice = await Invoice.push({ source: pushed._id });
    expect([await Report.pop(), await Invoice.pop()]).toEqual([null, null]);
    expect(await marksOf(pushed._id)).toHaveLength(2);

    await (await Source.pop())!.set('name', 'changed').finish();

    expect((await Report.pop())?.id).toBe(report.id);
    expect((await Invoice.pop())?.id).toBe(invoice.id);
  });

  it('comes although what is watched was pushed, popped, changed and put back meanwhile', async () => {
    const { source, report } = await parked();
    const [mark] = await marksOf(source._id);

    await source.set('name', 'changed').push({ delayMs: 0 });
    await (await Source.pop())!.retry({ delayMs: 0, error: 'once more' });
    await (await Source.pop())!.fail('broken');
    await source.push();
    await (await Source.pop())!.release();
    expect(await marksOf(source._id)).toEqual([mark]);
    await (await Source.pop())!.finish();

    expect((await Report.pop())?.id).toBe(report.id);
  });

  describe('of many', () => {
    const pushParked = async (count: number, sourceOf: (index: number) => unknown, more = {}) => {
      await Report.push(
        Array.from({ length: count }, (_, index) => ({
          name: String(index),
          source: sourceOf(index) as never,
          ...more,
        })),
      );
      expect(await Report.stats()).toMatchObject({ blocked: count });
    };
    const blocked = async () => (await Report.stats()).blocked;

    it('goes on with the next pops, while the mark stays', async () => {
      const source = await Source.push({ name: 'source' });
      await pushParked(1_200, () => source._id);
      await source.finish();

      expect(await Report.pop()).not.toBeNull();
      expect([(await blocked()) > 0, (await marksOf(source._id)).length]).toEqual([true, 1]);

      for (let pops = 0; pops < 10; pops++) expect(await Report.pop()).not.toBeNull();
      expect(await blocked()).toBe(0);
      await eventually(async () => expect(await marksOf(source._id)).toEqual([]));
    });

    it('takes those of higher priority first, whichever document they wait for', async () => {
      const [one, other] = await Source.push([{ name: 'one' }, { name: 'other' }]);
      await pushParked(1_010, (index) => (index < 1_000 ? one! : other!)._id);
      await nativeOf(Report).updateMany({ name: { $in: ['1000', '1009'] } }, { $set: { priority: 3 } });
      await nativeOf(Source).updateMany({}, { $set: { state: 'FINISHED' } });
      await Report.isEmpty();

      const first = await Report.popMany(2);

      expect(first.map(({ name }) => name)).toEqual(['1000', '1009']);
    });

    it('goes through more documents than one pass looks at', async () => {
      const sources = await Source.push(Array.from({ length: 450 }, () => ({ name: 'source' })));
      await pushParked(450, (index) => sources[index]!._id);
      await nativeOf(Source).updateMany({}, { $set: { state: 'FINISHED' } });

      const popped = new Set<string>();
      for (let pops = 0; pops < 3; pops++) for (const { id } of await Report.popMany(500)) popped.add(id as string);

      expect(popped.size).toBe(450);
    });
  });

  describe('of one that the server refuses to write', () => {
    const refuse = (Model: Models['Source'] | Models['Report'], validator: object) =>
      database.connection.db!.command({ collMod: Model.collection.name, validator });

    afterEach(async () => {
      for (const Model of [Source, Report]) await refuse(Model, {});
    });

    it('takes the others, and that one once it can be written', async () => {
      const source = await Source.push({ name: 'source' });
      const [bad, good] = await Report.push(['bad', 'good'].map((name) => ({ name, source: source._id })));
      await refuse(Report, { name: { $ne: 'bad' } });
      await finishRaw(source._id);

      expect((await Report.pop())?.id).toBe(good!.id);
      expect(await Report.pop()).toBeNull();
      await refuse(Report, {});
      await eventually(async () => expect((await Report.pop())?.id).toBe(bad!.id));
    });

    it('takes the others also where it is what they wait for', async () => {
      const { source, report } = await parked('bad');
      const other = await parked('good');
      await Promise.all([finishRaw(source._id), finishRaw(other.source._id)]);
      await refuse(Source, { name: { $ne: 'bad' } });

      const popped = [await Report.pop(), await Report.pop()];

      expect(popped.map((task) => task?.id).toSorted()).toEqual([report.id, other.report.id].toSorted());
      expect(await Report.pop()).toBeNull();
      await eventually(async () => expect(await marksOf(other.source._id)).toEqual([]));
    });
  });

  describe('that meets a change on its way', () => {
    it('is not needed when the document is finished just before the pop looks', async () => {
      const { source, report } = await parked();
      const moment = beforeNext(Source, 'find', () => finishRaw(source._id), isOutboxRead);

      expect((await Report.pop())?.id).toBe(report.id);

      expect(moment.happened).toBe(true);
    });

    it('comes with the next pop when the document is finished just after the pop looked', async () => {
      const source = await Source.push({ name: 'source' });
      await Report.push({ name: 'free' });
      const report = await Report.push({ source: source._id });
      await nativeOf(Report).updateMany(
        {},
        { $unset: { '_task.waitingOn': 1, '_task.recheckAt': 1 }, $set: { '_task.availableAt': new Date(0) } },
      );
      // The claim comes after the look at the outbox and the judgement.
      const moment = beforeNext(Report, 'findOneAndUpdate', () => finishRaw(source._id), isOfReady);

      expect((await Report.pop())?.name).toBe('free');

      expect(moment.happened).toBe(true);
      expect((await Report.pop())?.id).toBe(report.id);
    });

    it('leaves a task alone that was popped in between', async () => {
      const { source, report } = await parked();
      await finishRaw(source._id);
      let winner = null;
      const steal = async () => (winner = await other.Report.pop());
      const moment = beforeNext(Report, 'updateMany', steal, isOfWatchers);

      expect(await Report.pop()).toBeNull();

      expect(moment.happened).toBe(true);
      expect(winner).toMatchObject({ id: report.id });
      const raw = await stored(Report, report._id);
      expect(raw['state']).toBe(State.RUNNING);
      expect(raw['_task'].availableAt).toEqual(winner!['lease']['until']);
    });

    it('never touches a held task, also one that still says what it waited for', async () => {
      const { source, report } = await parked();
      const until = new Date(Date.now() + 60_000);
      await rawUpdate(Report, report._id, { $set: { state: 'RUNNING', '_task.availableAt': until } });
      const before = await stored(Report, report._id);
      await finishRaw(source._id);

      expect(await Report.pop()).toBeNull();

      expect(await stored(Report, report._id)).toEqual(before);
    });

    it('spares a mark that was set anew since it looked', async () => {
      const { source, report } = await parked();
      await finishRaw(source._id);
      let late: unknown;
      const popped = deferred();
      const moment = beforeNext(Source, 'bulkWrite', async () => {
        await popped.promise;
        await rawUpdate(Source, source._id, { $set: { state: 'CREATED' } });
        late = (await other.Report.push({ name: 'late', source: source._id })).id;
      });

      expect((await Report.pop())?.id).toBe(report.id);
      popped.resolve();
      await eventually(() => expect([moment.happened, typeof late]).toEqual([true, 'string']));
      expect(await Report.pop()).toBeNull();
      expect(await marksOf(source._id)).toHaveLength(1);
      await finishRaw(source._id);

      expect((await Report.pop())?.id).toBe(late);
    });

    it('is not lost when the document is un-finished and finished once more', async () => {
      const { source, report } = await parked();
      await finishRaw(source._id);
      const unfinish = () => rawUpdate(Source, source._id, { $set: { state: 'CREATED' } });
      const moment = beforeNext(Report, 'updateMany', unfinish, isOfWatchers);

      expect(await Report.pop()).toBeNull();
      expect(moment.happened).toBe(true);
      await finishRaw(source._id);

      expect((await Report.pop())?.id).toBe(report.id);
    });
  });

  describe('that stops on its way leaves everything to the next pass', () => {
    it.each([
      ['before it reads who waits', 'find', isOfWatchers],
      ['before it wakes them', 'updateMany', isOfWatchers],
    ] as const)('%s', async (_when, method, fits) => {
      const { source, report } = await parked();
      await finishRaw(source._id);
      const moment = beforeNext(Report, method, stop, fits);
      await expect(Report.pop()).rejects.toThrow('The process stops here.');

      expect(moment.happened).toBe(true);
      expect((await other.Report.pop())?.id).toBe(report.id);
    });

    it('before it takes the marks away', async () => {
      const { source, report } = await parked();
      await finishRaw(source._id);
      const moment = beforeNext(Source, 'bulkWrite', stop);
      expect((await Report.pop())?.id).toBe(report.id);
      await eventually(() => expect(moment.happened).toBe(true));
      expect(await marksOf(source._id)).toHaveLength(1);

      expect(await other.Report.pop()).toBeNull();

      await eventually(async () => expect(await marksOf(source._id)).toEqual([]));
    });

    it('and gives back what the pop had taken already', async () => {
      const { source } = await parked();
      await finishRaw(source._id);
      const free = await Report.push({ name: 'free', priority: 3 });
      beforeNext(Source, 'find', stop, isOutboxRead);
      await expect(Report.pop()).rejects.toThrow('The process stops here.');

      const task = (await Report.pop())!;

      expect([task.id, task.attempts]).toEqual([free.id, 1]);
    });
  });

  describe('of a task that somebody finished by hand while it waited', () => {
    const finishedByHand = async () => {
      const { source, report } = await parked();
      await rawUpdate(Report, report._id, { $set: { state: 'FINISHED' } });
      return { source, report };
    };
    const putBack = (_id: unknown) => rawUpdate(Report, _id, { $set: { state: 'CREATED' } });

    it('comes all the same, so that it is ready when it is put back afterwards', async () => {
      const { source, report } = await finishedByHand();
      await finishRaw(source._id);
      expect(await Report.pop()).toBeNull();

      await putBack(report._id);

      expect((await Report.pop())?.id).toBe(report.id);
    });

    it('comes when it was put back before', async () => {
      const { source, report } = await finishedByHand();
      await putBack(report._id);
      expect(await Report.pop()).toBeNull();

      await finishRaw(source._id);

      expect((await Report.pop())?.id).toBe(report.id);
    });

    it('is not needed when it was finished by its producer, and put back by hand', async () => {
      const { source, report } = await parked();
      await report.finish();
      await putBack(report._id);
      expect(await Report.pop()).toBeNull();

      await finishRaw(source._id);

      expect((await Report.pop())?.id).toBe(report.id);
    });
  });
});
