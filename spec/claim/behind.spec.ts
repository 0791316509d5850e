import { Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { releaseMany } from '../../lib/settle/release-many';
import { useDatabase } from '../support/database';
import { beforeNext } from '../support/interleave';
import { endLease, nativeOf, stored } from '../support/raw';

const key = 'report-7';

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
});
