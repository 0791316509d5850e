import { Schema, Types } from 'mongoose';
import type { AnyModel } from '../lib/any';
import { InvalidOptionError, State, taskQueue, type Retention } from 'mongoose-task-queue';
import { resolveRetention, watchedSeconds } from '../lib/retention';
import { useDatabase } from './support/database';
import { nativeOf } from './support/raw';

const DAY = 86_400;
const database = useDatabase();

describe('an `expireAfterSeconds` by state', () => {
  it('has the default for what is not named', () => {
    expect(resolveRetention({ finished: 60, failed: false }, DAY)).toEqual({
      finished: 60,
      failed: false,
      cancelled: DAY,
      unsettled: DAY,
    });
  });

  it('keeps what others wait for a day longer', () => {
    expect(watchedSeconds(7 * DAY)).toBe(8 * DAY);
    expect(watchedSeconds(2 ** 31 - 1)).toBe(2 ** 31 - 1);
    expect(watchedSeconds(false)).toBe(false);
  });

  it.each([
    [{ finish: 60 }, 'Did you mean `finished`?'],
    [{ finished: -1 }, 'expireAfterSeconds.finished'],
    [{ failed: true }, 'expireAfterSeconds.failed'],
    [[60], 'expireAfterSeconds'],
  ])('refuses %j', (expireAfterSeconds, message) => {
    const apply = () => taskQueue(new Schema({}), { expireAfterSeconds: expireAfterSeconds as Retention });

    expect(apply).toThrow(InvalidOptionError);
    expect(apply).toThrow(message);
  });
});

describe('the TTL indexes of a model with times by state', () => {
  // What is old enough stays until it was looked for, on a machine that is busy for a minute as well.
  const monitor = (ttlMonitorEnabled: boolean) =>
    database.connection.getClient().db('admin').command({ setParameter: 1, ttlMonitorEnabled });
  beforeAll(() => monitor(false));
  afterAll(() => monitor(true));

  const RETENTION = { finished: 60, failed: 7 * DAY, cancelled: 0, unsettled: 2 * DAY };
  const TTL = 'task_expiry';

  /** What the TTL monitor would delete now: what is in an index, and old enough. */
  async function expired(model: AnyModel): Promise<unknown[]> {
    const gone = new Set<unknown>();
    for (const { name, key, expireAfterSeconds, partialFilterExpression } of await nativeOf(model).indexes()) {
      if (expireAfterSeconds === undefined) continue;
      const [path] = Object.keys(key);
      const before = new Date(Date.now() - expireAfterSeconds * 1_000);
      const found = await nativeOf(model)
        .find({ ...(partialFilterExpression as object), [path!]: { $lt: before } }, { hint: name as string })
        .toArray();
      for (const { n } of found) gone.add(n);
    }

    return [...gone].sort();
  }

  const makeModel = (name: string, expireAfterSeconds: Retention | number | false = RETENTION) =>
    database.connection.model(name, taskQueue(new Schema({ n: String }, { autoIndex: false }), { expireAfterSeconds }));

  async function ttlOf(model: AnyModel): Promise<Record<string, unknown>> {
    const indexes = await nativeOf(model).indexes();
    return Object.fromEntries(
      indexes.flatMap(({ name, expireAfterSeconds }) =>
        (name as string).startsWith(TTL) ? [[name as string, expireAfterSeconds]] : [],
      ),
    );
  }

  it('take a task by its state and its end', async () => {
    const Kept = makeModel('Kept');
    await Kept.ensureTaskIndexes();
    const ago = (seconds: number) => new Date(Date.now() - seconds * 1_000);
    const put = (n: string, state: string, seconds: number, more: object = {}) =>
      nativeOf(Kept).insertOne({
        n,
        state,
        _task: { expiresFrom: ago(20 * DAY), settledAt: ago(seconds), ...more },
      });
    await put('finished, new', State.FINISHED, 30);
    await put('finished, old', State.FINISHED, 90);
    await put('finished, old, watched', State.FINISHED, 90, { armed: { mark: new Types.ObjectId() } });
    await put('finished, very old, watched', State.FINISHED, 9 * DAY, { armed: { mark: new Types.ObjectId() } });
    await put('failed, new', State.FAILED, DAY);
    await put('failed, old', State.FAILED, 8 * DAY);
    await put('cancelled', State.CANCELLED, 1);
    await put('waits, old', State.CREATED, 30 * DAY);
    await put('waits, due lately', State.CREATED, 30 * DAY, { expiresFrom: ago(DAY) });
    await put('runs, old', State.RUNNING, 30 * DAY);
    await nativeOf(Kept).insertOne({ n: 'never pushed', state: State.PENDING });

    expect(await expired(Kept)).toEqual([
      'cancelled',
      'failed, old',
      'finished, old',
      'finished, very old, watched',
      'runs, old',
      'waits, old',
    ]);
  });

  it('let a finished task go once nobody waits for it any more', async () => {
    const Source = makeModel('Source', { finished: 0 });
    const Target = database.connection.model(
      'Target',
      taskQueue(new Schema({ source: { type: Schema.Types.ObjectId, ref: 'Source' } }), {
        dependencies: { source: 'DIRECT' },
      }),
    );
    const source = await Source.push({ n: 'source' });
    await Target.push({ source: source._id });
    expect(await Target.pop()).toBeNull();
    await (await Source.pop())!.finish();
    await nativeOf(Source).updateOne({}, { $set: { '_task.settledAt': new Date(Date.now() - 1_000) } });

    const before = await expired(Source);
    expect(await Target.pop()).not.toBeNull();
    expect(await expired(Source)).toEqual(['source']);
    expect(before).toEqual([]);
  });

  it('are created, changed and dropped with the option', async () => {
    await makeModel('Changed').ensureTaskIndexes();
    const again = async (expireAfterSeconds: Retention | number | false) => {
      database.connection.deleteModel('Changed');
      const Changed = makeModel('Changed', expireAfterSeconds);
      await Changed.ensureTaskIndexes();
      return ttlOf(Changed);
    };

    expect(await again(RETENTION)).toEqual({
      task_expiry_unsettled: 2 * DAY,
      task_expiry_finished: 60,
      task_expiry_failed: 7 * DAY,
      task_expiry_cancelled: 0,
      task_expiry_watched_finished: DAY + 60,
      task_expiry_watched_failed: 8 * DAY,
      task_expiry_watched_cancelled: DAY,
    });
    expect(await again({ ...RETENTION, finished: 30, failed: false })).toEqual({
      task_expiry_unsettled: 2 * DAY,
      task_expiry_finished: 30,
      task_expiry_cancelled: 0,
      task_expiry_watched_finished: DAY + 30,
      task_expiry_watched_cancelled: DAY,
    });
    expect(await again(DAY)).toEqual({ task_expiry: DAY });
    expect(await again({})).toEqual({
      task_expiry_unsettled: DAY,
      task_expiry_finished: DAY,
      task_expiry_failed: DAY,
      task_expiry_cancelled: DAY,
      task_expiry_watched_finished: 2 * DAY,
      task_expiry_watched_failed: 2 * DAY,
      task_expiry_watched_cancelled: 2 * DAY,
    });
    expect(await again(false)).toEqual({});
  });

  it('are those of the schema, too', async () => {
    const Synced = makeModel('Synced');
    await Synced.ensureTaskIndexes();

    expect(await Synced.diffIndexes()).toEqual({ toDrop: [], toCreate: [] });
  });

  it('hold the tasks of one kind where only the kind has the plugin', async () => {
    const Base = database.connection.model('Own', new Schema({ n: String }, { discriminatorKey: 'kind' }));
    const Kind = Base.discriminator('Task', taskQueue(new Schema({}), { expireAfterSeconds: { finished: 5 } }));
    await Kind.ensureTaskIndexes();
    const found = (await nativeOf(Kind).indexes()).find(({ name }) => name === 'task_expiry_finished_Task');

    expect(found).toMatchObject({
      expireAfterSeconds: 5,
      partialFilterExpression: { kind: 'Task', state: 'FINISHED' },
    });
  });
});
