import { Schema } from 'mongoose';
import { findByKey, taskQueue } from 'mongoose-task-queue';
import { useDatabase } from '../support/database';

describe('findByKey', () => {
  const database = useDatabase('replicaSet');
  const makeReport = () =>
    database.connection.model(
      'Report',
      taskQueue(new Schema({ name: String, secret: { type: String, select: false } })),
    );
  let Report: ReturnType<typeof makeReport>;

  beforeAll(async () => {
    Report = makeReport();
    await Report.ensureTaskIndexes();
  });
  beforeEach(() => Report.deleteMany({}));

  it('finds the task that waits or runs, with the fields that the schema selects', async () => {
    await Report.push({ name: 'daily', secret: 'x' }, { key: 'daily' });
    await Report.push({ name: 'other' }, { key: 'other' });

    const found = await Report.findByKey('daily');
    expect(found?.toObject()).toMatchObject({ name: 'daily', state: 'CREATED' });
    expect(found?.secret).toBeUndefined();
    await Report.popMany(2);
    expect((await findByKey(Report, 'daily'))?.state).toBe('RUNNING');
  });

  it('finds none where there is none, or where it has ended', async () => {
    expect(await Report.findByKey('daily')).toBeNull();
    const task = await Report.push({ name: 'daily' }, { key: 'daily', throttleMs: 60_000 });
    await task.finish();

    expect(await Report.findByKey('daily')).toBeNull();
  });

  it('finds the successor, and the one that runs once the successor is gone', async () => {
    await Report.push({ name: 'first' }, { key: 'daily' });
    await Report.pop();
    const next = await Report.push({ name: 'next' }, { key: 'daily', onDuplicate: 'after' });

    expect((await Report.findByKey('daily'))?.name).toBe('next');
    await next.deleteOne();
    expect((await Report.findByKey('daily'))?.name).toBe('first');
  });

  it('finds a task of another kind, if kinds share their keys', async () => {
    const Base = database.connection.model('Base', taskQueue(new Schema({})));
    const Kind = Base.discriminator('Kind', new Schema({ size: Number }));
    await Kind.push({ size: 3 }, { key: 'kind' });

    expect((await Base.findByKey('kind'))?.constructor).toBe(Kind);
  });

  it('reads in a transaction', async () => {
    await database.connection.transaction(async (session) => {
      await Report.push({ name: 'daily' }, { key: 'daily', session });
      expect(await Report.findByKey('daily')).toBeNull();
      expect((await Report.findByKey('daily', { session }))?.name).toBe('daily');
    });
  });

  it.each<{ key: unknown; options?: object }>([
    { key: 7 },
    { key: '' },
    { key: undefined },
    { key: 'daily', options: { sesion: null } },
  ])('refuses %j', async ({ key, options }) => {
    await expect(Report.findByKey(key as string, options)).rejects.toMatchObject({ name: 'InvalidOptionError' });
  });
});
