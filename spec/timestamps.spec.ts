import { Schema, type Types } from 'mongoose';
import { taskQueue, type TaskQueueOptions } from 'mongoose-task-queue';
import { useDatabase } from './support/database';
import { nativeOf, stored } from './support/raw';

/** What becomes of a model's creation time and of its expiry. */
describe('a model', () => {
  const database = useDatabase();
  let count = 0;
  const modelOf = (schema: Schema, options?: TaskQueueOptions, after: (schema: Schema) => void = () => {}) => {
    taskQueue(schema, options);
    after(schema);
    return database.connection.model(`Model${count++}`, schema as ReturnType<typeof taskQueue<typeof schema>>);
  };
  const expiryOf = async (Model: ReturnType<typeof modelOf>) => {
    await Model.ensureTaskIndexes();
    const indexes = await nativeOf(Model).indexes();
    return indexes.find(({ name }) => name === 'task_expiry')?.expireAfterSeconds ?? false;
  };
  const pushed = async (Model: ReturnType<typeof modelOf>) => stored(Model, (await Model.push({ name: 'x' }))._id);

  it('without a creation time gets one, and its tasks expire after a day', async () => {
    const Model = modelOf(new Schema({ name: String }));

    const { createdAt, _task } = await pushed(Model);

    expect(Math.abs(createdAt.getTime() - Date.now())).toBeLessThan(60_000);
    expect(_task.expiresFrom).toBeInstanceOf(Date);
    expect(await expiryOf(Model)).toBe(86_400);
  });

  it.each([
    ['a path `createdAt`', new Schema({ name: String, createdAt: Date })],
    ['a path `createdAt` of another type', new Schema({ name: String, createdAt: { by: String, at: Date } })],
    ['timestamps', new Schema({ name: String }, { timestamps: true })],
    ['timestamps by name', new Schema({ name: String }, { timestamps: { createdAt: true, updatedAt: false } })],
    ['timestamps under another name', new Schema({ name: String }, { timestamps: { createdAt: 'made' } })],
  ])('that has %s keeps its documents for ever', async (_kind, schema) => {
    const paths = Object.keys(schema.paths);

    const Model = modelOf(schema as Schema);

    expect(await expiryOf(Model)).toBe(false);
    expect(Object.keys(Model.schema.paths).sort()).toEqual([...paths, 'state', 'priority', '__v'].sort());
  });

  it.each<[string, (schema: Schema) => void, string]>([
    [
      'a path `createdAt`',
      (schema) => schema.add({ createdAt: { type: Date, default: () => new Date(0) } }),
      'createdAt',
    ],
    ['timestamps', (schema) => schema.set('timestamps', true), 'createdAt'],
    ['timestamps under another name', (schema) => schema.set('timestamps', { createdAt: 'made' }), 'made'],
  ])('that gets %s after the plugin keeps its documents for ever', async (_kind, after, path) => {
    const Model = modelOf(new Schema({ name: String }), {}, after);

    expect((await pushed(Model))[path]).toBeInstanceOf(Date);
    expect(await expiryOf(Model)).toBe(false);
  });

  it.each([
    ['timestamps without a creation time', { createdAt: false, updatedAt: true }],
    ['`timestamps: false`', false],
  ])('with %s gets a creation time, and its tasks expire', async (_kind, timestamps) => {
    const Model = modelOf(new Schema({ name: String }, { timestamps }) as Schema);

    expect((await pushed(Model))['createdAt']).toBeInstanceOf(Date);
    expect(await expiryOf(Model)).toBe(86_400);
  });

  it('sets the timestamps of tasks as Mongoose does', async () => {
    const Model = modelOf(new Schema({ name: String }, { timestamps: { createdAt: 'made', updatedAt: 'changed' } }));

    const [one] = await Model.push([{ name: 'a' }, { name: 'b' }]);

    const raw = await stored(Model, one!._id);
    expect(raw['made']).toBeInstanceOf(Date);
    expect(raw['changed']).toEqual(raw['made']);
    expect(raw).not.toHaveProperty('createdAt');
  });

  it('leaves a creation time of its own as it is', async () => {
    const Model = modelOf(new Schema({ name: String, createdAt: String }));

    const task = await Model.push({ name: 'a', createdAt: 'long ago' } as never);
    await (await Model.pop())!.finish();

    expect(await stored(Model, task._id)).toMatchObject({ createdAt: 'long ago' });
  });

  it('leaves a creation time of its own away where it has none', async () => {
    const Model = modelOf(new Schema({ name: String, createdAt: Date }));

    expect(await pushed(Model)).not.toHaveProperty('createdAt');
  });

  it('leaves a creation time that is computed alone', async () => {
    const schema = new Schema({ name: String });
    schema.virtual('createdAt').get(function () {
      return this._id.getTimestamp();
    });
    const Model = modelOf(schema as Schema);

    const task = await Model.push({ name: 'a' });

    expect(task.get('createdAt')).toEqual((task._id as Types.ObjectId).getTimestamp());
    expect(await stored(Model, task._id)).not.toHaveProperty('createdAt');
    expect(await expiryOf(Model)).toBe(false);
  });

  it('expires its tasks when it is asked to, whatever it keeps', async () => {
    const Model = modelOf(new Schema({ name: String }, { timestamps: true }) as Schema, { expireAfterSeconds: 60 });

    expect(await expiryOf(Model)).toBe(60);
  });

  it('keeps its tasks when it is asked to', async () => {
    const Model = modelOf(new Schema({ name: String }), { expireAfterSeconds: false });

    expect(await expiryOf(Model)).toBe(false);
  });

  it('can call its creation time as it likes', async () => {
    const Model = modelOf(new Schema({ name: String }), { fields: { createdAt: 'made' } });

    const raw = await pushed(Model);

    expect(raw['made']).toBeInstanceOf(Date);
    expect(raw).not.toHaveProperty('createdAt');
    expect(await expiryOf(Model)).toBe(86_400);
  });

  it('keeps the creation time that a task was given', async () => {
    const Model = modelOf(new Schema({ name: String }));

    const task = await Model.push({ name: 'a', createdAt: new Date(0) } as never);

    expect((await stored(Model, task._id))['createdAt']).toEqual(new Date(0));
  });
});
