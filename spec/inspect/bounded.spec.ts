import { mongo, Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { countBounded } from '../../lib/inspect/bounded';
import { ANSWER_MS } from '../../lib/inspect/limits';
import { listTasks } from '../../lib/inspect/list';
import { lookAt } from '../../lib/inspect/queue';
import { View } from '../../lib/inspect/view';
import { commandLine } from '../support/cli';
import { useDatabase } from '../support/database';
import { nativeOf } from '../support/raw';

describe('what the database does not answer in time', () => {
  const database = useDatabase();
  const make = () => database.connection.model('Parcel', taskQueue(new Schema({ to: String })));
  let Parcel: ReturnType<typeof make>;
  let view: View;

  beforeAll(async () => {
    Parcel = make();
    await Parcel.ensureTaskIndexes();
    view = new View({ models: [Parcel] });
  });
  beforeEach(() => nativeOf(Parcel).deleteMany({}));
  afterEach(() => jest.restoreAllMocks());

  const tooLate = () => ({
    toArray: () => Promise.reject(new mongo.MongoServerError({ message: 'operation exceeded time limit', code: 50 })),
  });
  /** Those aggregations take too long whose pipeline has this in it. */
  function slow(has: RegExp): void {
    const native = nativeOf(Parcel);
    const aggregate = native.aggregate.bind(native);
    jest
      .spyOn(native, 'aggregate')
      .mockImplementation(((pipeline: mongo.Document[], options?: mongo.AggregateOptions) =>
        has.test(JSON.stringify(pipeline)) ? tooLate() : aggregate(pipeline, options)) as never);
  }

  it('is cut off by the server itself, after 400 ms', async () => {
    const real = jest.requireActual<{ ANSWER_MS: number }>('../../lib/inspect/limits');
    const aggregate = jest.spyOn(nativeOf(Parcel), 'aggregate');
    await countBounded(Parcel as never, {});

    expect(real.ANSWER_MS).toBe(400);
    expect(aggregate.mock.lastCall![1]).toHaveProperty('maxTimeMS', ANSWER_MS);
  });

  it('is a number of which nothing is known but that there may be more', async () => {
    slow(/\$count/);

    expect(await countBounded(Parcel as never, {})).toEqual({ value: 0, more: true });
  });

  it('is no lower number than the tasks that are listed', async () => {
    await Parcel.push([{}, {}]);
    slow(/\$count/);

    expect(await listTasks(view, Parcel as never, {})).toMatchObject({ count: { value: 2, more: true } });
  });

  it('is not told as no failed task, but as a queue that could not be counted', async () => {
    const task = await Parcel.push({});
    await task.fail(new Error('no'));
    slow(/\$count/);

    const { queue, problems } = await lookAt(view, Parcel as never);
    expect(queue.error).toContain('The database was stopped after');
    expect(problems).toEqual([]);
  });

  it('is said by `why`, where it is how many tasks come before one', async () => {
    await Parcel.push({ priority: 3 });
    const task = await Parcel.push({});
    slow(/\$count/);

    const { json } = await commandLine(['why', String(task._id), '--json'], [Parcel]);
    expect(json.reasons[0]).toMatch(
      /^It is ready since .*; how many come before it, the database did not tell in time\.$/,
    );
  });
});
