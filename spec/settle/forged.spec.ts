import { Schema, type SchemaOptions } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { useDatabase } from '../support/database';
import { nativeOf, stored } from '../support/raw';

describe('bookkeeping that came with a request', () => {
  const database = useDatabase();
  const forged = { key: 'nightly', schedule: { every: 1 }, token: 'x', attempts: 7 };
  const body = () =>
    JSON.parse(JSON.stringify({ to: 'mallory', state: 'CREATED', _task: forged })) as Record<string, unknown>;

  const make = (name: string, options: SchemaOptions, isHooked: boolean, extra = {}) => {
    const schema = new Schema({ to: String, list: [String], ...extra }, options as object);
    if (isHooked) schema.pre('save', () => {});
    return database.connection.model(name, taskQueue(schema));
  };
  const makeLoose = (isHooked = false) => make(isHooked ? 'Hooked' : 'Loose', { strict: false }, isHooked);
  const makers = {
    'strict: false': () => makeLoose(),
    'strict: false, with hooks': () => makeLoose(true),
    'strict: true': () => make('Strict', {}, false) as unknown as ReturnType<typeof makeLoose>,
    'a path of that name': () => make('Declared', {}, false, { _task: {} }) as unknown as ReturnType<typeof makeLoose>,
  };

  describe.each(Object.entries(makers))('with %s', (_name, makeModel) => {
    let Job: ReturnType<typeof makeLoose>;

    beforeAll(() => {
      Job = makeModel();
    });

    beforeEach(() => Job.deleteMany());

    const STORES: Record<string, () => Promise<unknown>> = {
      'create()': () => Job.create(body()),
      'create() of several': () => Job.create([body(), body()]),
      'new and save()': () => new Job(body()).save(),
      'new and bulkSave()': () => Job.bulkSave([new Job(body())]),
      'insertMany()': () => Job.insertMany([body(), { to: 'eve' }]),
      'insertMany() of one': () => Job.insertMany(body()),
      'insertMany() of documents': () => Job.insertMany([new Job(body())]),
      'lean insertMany()': () => Job.insertMany([body()], { lean: true }),
      'save() of a stored document': async () => {
        const job = await Job.create({ to: 'ada' });
        await job.set(body()).save();
      },
      'save() of what was set by its path': async () => {
        const job = await Job.create({ to: 'ada' });
        job.set('_task.key', 'nightly', { strict: false });
        job.to = 'eve';
        await job.save();
      },
    };

    it.each(Object.entries(STORES))('is not stored by %s', async (_store, store) => {
      await store();

      const found = await nativeOf(Job).find().toArray();
      expect(found.length).toBeGreaterThan(0);
      for (const one of found) expect(one).not.toHaveProperty('_task');
    });

    it.each([1, 2])('is not what %p pushed tasks are kept by', async (count) => {
      await Job.push(Array.from({ length: count }, body) as never[]);

      for (const { _task: task } of await nativeOf(Job).find().toArray()) {
        expect(Object.keys(task as object).sort()).toEqual(['availableAt', 'dueAt', 'expiresFrom']);
      }
    });

    it('does not replace what a held task is kept by', async () => {
      await Job.push({ to: 'ada' });
      const task = (await Job.pop())!;
      const { _task: before } = await stored(Job, task._id);

      await task.set({ ...body(), state: 'RUNNING' }).save();

      expect((await stored(Job, task._id))['_task']).toEqual(before);
      task.set({ _task: forged });
      await task.finish();
      const { state, _task: after } = await stored(Job, task._id);
      expect(state).toBe('FINISHED');
      expect(after).toMatchObject({ token: before.token, attempts: 1 });
      expect(after).not.toHaveProperty('schedule');
    });

    it('is not in what a settled document is pushed with again', async () => {
      const task = await (await Job.push({ to: 'ada' })).finish();

      await task.set({ _task: forged }).push();

      expect((await stored(Job, task._id))['_task']).not.toHaveProperty('schedule');
      expect((await Job.pop())?.id).toBe(task.id);
    });
  });

  it('is left in the input of insertMany() as it was', async () => {
    const input = [body()];

    await database.connection.model('Loose').insertMany(input);

    expect(input).toEqual([body()]);
  });
});
