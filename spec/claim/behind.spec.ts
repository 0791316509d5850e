import { Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { releaseMany } from '../../lib/settle/release-many';
import { useDatabase } from '../support/database';
import { beforeNext, stop, Stopped } from '../support/interleave';
import { endLease, nativeOf, rawUpdate, stored } from '../support/raw';

const key = 'report-7';
/** Of the writes, those of one task that was read before. */
const isOfOne = (filter: object) => '_id' in filter;

describe('a task that comes behind another of its key', () => {
  const database = useDatabase();
  const makeReport = () =>
    database.connection.model('Report', taskQueue(new Schema({ number: Number }), { backoff: () => 0 }));
  let Report: ReturnType<typeof makeReport>;

  beforeAll(() => {
    Report = makeReport();
  });
  beforeEach(() => nativeOf(Report).deleteMany({}));

  const pushAs = (onDuplicate: 'keep' | 'after', number: number) => Report.push({ number }, { key, onDuplicate });

  it('starts when that one was cancelled and goes back without having been begun', async () => {
    await pushAs('keep', 1);
    const held = (await Report.pop())!;
    await pushAs('after', 2);
    await (await Report.findById(held._id))!.cancel();

    await releaseMany([held]);

    expect((await stored(Report, held._id)).state).toBe('CANCELLED');
    expect((await Report.pop())?.number).toBe(2);
  });

  it('starts when that one was moved aside while a claim ended it', async () => {
    await pushAs('keep', 1);
    const held = (await Report.pop())!;
    await (await Report.findById(held._id))!.cancel();
    await endLease(Report, held._id);
    const end = beforeNext(Report, 'updateOne', () => pushAs('after', 2));

    const next = await Report.pop();

    expect(end.happened).toBe(true);
    expect((await stored(Report, held._id)).state).toBe('CANCELLED');
    expect(next?.number).toBe(2);
  });

  it('is stored when the task that it was to replace has begun meanwhile', async () => {
    const first = await pushAs('keep', 1);
    const replace = beforeNext(Report, 'updateOne', () => Report.pop(), isOfOne);

    const second = await pushAs('after', 2);

    expect(replace.happened).toBe(true);
    expect(second.pushOutcome).toBe('behind');
    expect((await stored(Report, first._id)).number).toBe(1);
  });

  it('has the input of a push that came while a claim looked at it', async () => {
    await pushAs('keep', 1);
    const held = (await Report.pop())!;
    const behind = await pushAs('after', 2);
    await nativeOf(Report).deleteOne({ _id: held._id });
    await endLease(Report, behind._id);
    const begin = beforeNext(Report, 'findOneAndUpdate', () => pushAs('after', 3), isOfOne);

    const popped = (await Report.pop())!;

    expect(begin.happened).toBe(true);
    expect(popped.number).toBe(3);
    expect((await stored(Report, behind._id)).number).toBe(3);
  });

  it('is there before the one that it supersedes is cancelled', async () => {
    const first = await pushAs('keep', 1);
    beforeNext(Report, 'updateOne', stop, (filter) => '_task.aside' in filter);

    await expect(Report.push({ number: 2 }, { key, onDuplicate: 'supersede' })).rejects.toThrow(Stopped);

    expect((await stored(Report, first._id)).state).toBe('CREATED');
    expect((await Report.pop())?.number).toBe(1);
  });

  it('is not let go by the end of an earlier one', async () => {
    await pushAs('keep', 1);
    const held = (await Report.pop())!;
    const second = await pushAs('after', 2);
    await endLease(Report, second._id);
    const begun: InstanceType<typeof Report>[] = [];
    const goOn = async () => {
      begun.push((await Report.pop())!);
      await pushAs('after', 3);
    };
    const letGo = beforeNext(Report, 'updateOne', goOn, (filter) => '_task.behind' in filter && !('$expr' in filter));

    await held.finish();

    expect(letGo.happened).toBe(true);
    expect(begun[0]?.number).toBe(2);
    expect(await Report.pop()).toBeNull();
    await begun[0]!.finish();
    expect((await Report.pop())?.number).toBe(3);
  });

  it('is behind the run that began between the look at the key and its insert', async () => {
    await Report.push({ number: 1 }, { key, every: 3_600_000 });
    const first = (await Report.pop())!;
    const held: InstanceType<typeof Report>[] = [];
    const isOfSuccessor = (filter: object) => '_task.aside' in filter;
    const again = async () => {
      await first.finish();
      await endLease(Report, first._id);
      held.push((await Report.pop())!);
      // The program of this push ends as soon as it has moved that run aside.
      await pushAs('after', 9);
      await Report.deleteOne({ number: 9 });
    };
    const insert = beforeNext(Report, 'updateOne', again, isOfSuccessor);

    const behind = await pushAs('after', 2);

    expect(insert.happened).toBe(true);
    expect(held[0]?.id).toBe(first.id);
    const past = { '_task.availableAt': new Date(0), '_task.dueAt': new Date(0) };
    await rawUpdate(Report, behind._id, { $set: past });
    expect(await Report.pop()).toBeNull();
    await held[0]!.finish();
    await rawUpdate(Report, behind._id, { $set: past });
    expect((await Report.pop())?.number).toBe(2);
  });

  describe('that Mongoose saves', () => {
    const make = () => {
      const schema = new Schema({ number: Number, parts: [Number] });
      return database.connection.model('Part', taskQueue(schema, { backoff: () => 0 }));
    };
    let Part: ReturnType<typeof make>;
    const every = 3_600_000;

    beforeAll(async () => {
      Part = make();
      await Part.ensureTaskIndexes();
    });
    beforeEach(() => nativeOf(Part).deleteMany({}));

    /** A push over the running task whose program ends as soon as it has moved that one aside. */
    const moveAside = async () => {
      await Part.push({ number: 9, parts: [9] }, { key, onDuplicate: 'after' });
      await Part.deleteOne({ number: 9 });
    };

    const makeDue = (number: number) =>
      nativeOf(Part).updateOne({ number }, { $set: { '_task.availableAt': new Date(0), '_task.dueAt': new Date(0) } });

    it('waits for one that came between the look at the key and the save', async () => {
      const held: InstanceType<typeof Part>[] = [];
      const save = beforeNext(Part, 'insertOne', async () => {
        await Part.push({ number: 1, parts: [1] }, { key });
        held.push((await Part.pop())!);
        await moveAside();
      });

      await Part.push({ number: 2, parts: [2] }, { key });

      expect(save.happened).toBe(true);
      expect(held).toHaveLength(1);
      expect(await Part.pop()).toBeNull();
      await held[0]!.finish();
      expect((await Part.pop())?.number).toBe(2);
    });

    it('waits for a run that began between the look at the key and the save', async () => {
      await Part.push({ number: 1, parts: [1] }, { key, every });
      const first = (await Part.pop())!;
      const held: InstanceType<typeof Part>[] = [];
      const save = beforeNext(Part, 'insertOne', async () => {
        await first.finish();
        await endLease(Part, first._id);
        held.push((await Part.pop())!);
        await moveAside();
      });

      await Part.push({ number: 2, parts: [2] }, { key, onDuplicate: 'after' });

      expect(save.happened).toBe(true);
      expect(held[0]!.id).toBe(first.id);
      await makeDue(2);
      expect(await Part.pop()).toBeNull();
      await held[0]!.finish();
      await makeDue(2);
      expect((await Part.pop())?.number).toBe(2);
    });

    it('waits also where it was stored before, for one that came between the look at the key and the write', async () => {
      const created = await Part.create({ number: 2, parts: [2] });
      const held: InstanceType<typeof Part>[] = [];
      const write = beforeNext(Part, 'updateOne', async () => {
        await Part.push({ number: 1, parts: [1] }, { key });
        held.push((await Part.pop())!);
        await moveAside();
      });

      await created.push({ key });

      expect(write.happened).toBe(true);
      expect(await Part.pop()).toBeNull();
      await held[0]!.finish();
      expect((await Part.pop())?.id).toBe(created.id);
    });

    it('is refused by the unique index where its key was taken between the look at it and the save', async () => {
      const save = beforeNext(Part, 'insertOne', async () => {
        await Part.push({ number: 1, parts: [1] }, { key });
      });

      const kept = await Part.push({ number: 2, parts: [2] }, { key });

      expect(save.happened).toBe(true);
      expect(kept).toMatchObject({ number: 1, pushOutcome: 'kept' });
      expect(await Part.countDocuments()).toBe(1);
    });
  });

  describe('where a dependency fails tasks', () => {
    const make = () => {
      const Source = database.connection.model('Source', taskQueue(new Schema({ name: String })));
      const path = { type: Schema.Types.ObjectId, ref: 'Source' };
      const dependencies = { source: { type: 'DIRECT', onFailed: 'fail' } } as const;
      const schema = new Schema({ number: Number, source: path });
      return { Source, Bill: database.connection.model('Bill', taskQueue(schema, { dependencies, backoff: () => 0 })) };
    };
    let Source: ReturnType<typeof make>['Source'];
    let Bill: ReturnType<typeof make>['Bill'];

    beforeAll(() => {
      ({ Source, Bill } = make());
    });
    beforeEach(() => nativeOf(Bill).deleteMany({}));

    const failedSource = async () => {
      const source = await Source.push({});
      await source.fail(new Error('no luck'));
      return source;
    };

    it('keeps one that is revived behind the one that runs by then', async () => {
      const source = await failedSource();
      const doomed = await Bill.push({ number: 1, source: source._id }, { key });
      expect(await Bill.pop()).toBeNull();
      expect((await stored(Bill, doomed._id)).state).toBe('FAILED');
      await Bill.push({ number: 2 }, { key });
      const held = (await Bill.pop())!;
      await Bill.deleteOne({ _id: (await Bill.push({ number: 3 }, { key, onDuplicate: 'after' }))._id });

      await source.push();

      expect(await Bill.pop()).toBeNull();
      expect((await stored(Bill, doomed._id)).state).toBe('CREATED');
      await (await Source.pop())!.finish();
      expect(await Bill.pop()).toBeNull();
      await held.finish();
      expect((await Bill.pop())?.number).toBe(1);
    });

    it('leaves one failed whose key is taken, and keeps nobody else back', async () => {
      const source = await failedSource();
      const doomed = await Bill.push({ number: 1, source: source._id }, { key });
      const other = await Bill.push({ number: 2, source: source._id });
      expect(await Bill.pop()).toBeNull();
      await Bill.push({ number: 3 }, { key, delayMs: 60_000 });

      await source.push();
      await (await Source.pop())!.finish();

      expect((await Bill.pop())?.id).toBe(other.id);
      expect(await Bill.pop()).toBeNull();
      expect((await stored(Bill, doomed._id)).state).toBe('FAILED');
    });

    it('starts when one is failed that was moved aside while it was judged', async () => {
      const source = await Source.push({});
      await (await Source.pop())!.finish();
      await Bill.push({ number: 1, source: source._id }, { key });
      const held = (await Bill.pop())!;
      await nativeOf(Source).updateOne({ _id: source._id }, { $set: { state: 'FAILED' } });
      await endLease(Bill, held._id);
      const doom = beforeNext(Bill, 'bulkWrite', () => Bill.push({ number: 2 }, { key, onDuplicate: 'after' }));

      const next = (await Bill.pop()) ?? (await Bill.pop());

      expect(doom.happened).toBe(true);
      expect(await stored(Bill, held._id)).toMatchObject({ state: 'FAILED', _task: { key } });
      expect(next?.number).toBe(2);
    });
  });
});
