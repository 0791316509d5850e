import { Schema } from 'mongoose';
import { constant, State, taskQueue, Worker } from 'mongoose-task-queue';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { isMongoose8 } from '../support/on-mongoose9';
import { nativeOf } from '../support/raw';
import { without } from '../support/without';

describe('a stored value that does not fit the schema', () => {
  const database = useDatabase();
  const { ObjectId } = Schema.Types;
  const makeJob = () => {
    const sub = new Schema({ x: Number, y: Number });
    const schema = new Schema({
      n: Number,
      needed: { type: Number, required: true },
      part: { type: ObjectId, ref: 'Part' },
      parts: [{ type: ObjectId, ref: 'Part' }],
      numbers: [Number],
      grid: [[Number]],
      sub,
      subs: [sub],
      map: { type: Map, of: Number },
      nested: { a: Number },
    });
    return database.connection.model('Job', taskQueue(schema, { maxAttempts: 2, backoff: constant(0) }));
  };
  let Job: ReturnType<typeof makeJob>;

  beforeAll(() => {
    Job = makeJob();
  });

  beforeEach(() => Job.deleteMany());

  const MISFITS: Record<string, unknown>[] = [
    { part: 'A-17' },
    { parts: 'A-17' },
    { parts: ['A-17'] },
    { numbers: 'many' },
    { numbers: [1, 'many'] },
    { grid: 'x' },
    { sub: 'x' },
    { sub: { x: 'y' } },
    // Mongoose 8 makes sub-documents of a text when it reads it, takes them for a change, and writes them with every save.
    ...(isMongoose8 ? [] : [{ subs: 'x' }]),
    { subs: ['x'] },
    { subs: [{ x: 'y' }] },
    { map: 'x' },
    { map: { a: 'x' } },
    { nested: { a: 'x' } },
    { needed: 'x' },
  ];

  describe.each(MISFITS.map((misfit) => ({ misfit, name: JSON.stringify(misfit) })))('$name', ({ misfit }) => {
    const insert = () => nativeOf(Job).insertOne({ needed: 1, ...misfit, state: 'CREATED', _task: {} });
    const found = async () => (await nativeOf(Job).findOne())!;

    it.each(['finish', 'fail', 'retry', 'release'] as const)('lets a task be settled by %s()', async (verb) => {
      await insert();

      await (await Job.pop())![verb]();

      expect(await found()).toMatchObject({ needed: 1, ...misfit });
      expect((await found())['state']).not.toBe('RUNNING');
    });

    it('lets a task be settled with changes of other fields', async () => {
      await insert();
      const task = (await Job.pop())!;

      task.n = 7;
      await task.finish();

      const stored = without(await found(), '_id', '_task', 'priority');
      expect(stored).toMatchObject({ state: 'FINISHED', n: 7 });
    });

    it('lets a worker finish the task at its first attempt', async () => {
      await insert();
      let runs = 0;
      const worker = new Worker(Job, {
        handler: (task) => {
          runs++;
          task.n = 7;
        },
      });

      await worker.start();
      await eventually(async () => expect(await found()).toMatchObject({ state: 'FINISHED', n: 7 }));
      await worker.stop();

      expect(runs).toBe(1);
    });

    it('lets a document that was found be finished', async () => {
      await insert();

      await (await Job.findOne().orFail()).finish();

      expect(await found()).toMatchObject({ state: 'FINISHED', needed: 1, ...misfit });
    });
  });

  it('is refused where the field was changed, and the task can be settled when it was made right', async () => {
    await nativeOf(Job).insertOne({ needed: 1, numbers: [1, 'many'], part: 'x', state: 'CREATED' });
    const task = (await Job.pop())!;

    task.set('n', 'many');
    await expect(task.finish()).rejects.toMatchObject({ name: 'ValidationError' });

    task.set('part', undefined);
    task.set('n', 4);
    task.set('numbers', [1, 2]);
    await task.finish();
    expect(await nativeOf(Job).findOne()).toMatchObject({ state: State.FINISHED, n: 4, numbers: [1, 2] });
  });

  it('is refused by a save of the user, as by Mongoose', async () => {
    await nativeOf(Job).insertOne({ needed: 1, part: 'x', state: 'CREATED' });
    const task = (await Job.pop())!;

    task.n = 7;
    await expect(task.save()).rejects.toMatchObject({ name: 'ValidationError' });
    await task.finish();
  });
});
