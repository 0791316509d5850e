import { mongo, Schema } from 'mongoose';
import { taskQueue, TaskStateError, UnsupportedServerError, type IndexConflictError } from 'mongoose-task-queue';
import { explained } from '../../lib/server/explain-error';
import { isPermanent } from '../../lib/server/permanent';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { hostile } from '../support/hostile';
import { startMongod } from '../support/mongod';
import { nativeOf } from '../support/raw';
import { makeWorker, nextEvent, recordEvents } from '../support/worker';
import { eventually } from '../support/eventually';

const serverError = (code: number, message = 'no') => new mongo.MongoServerError({ message, code });
const filterOfTime = 'Expression not supported in partial index: $in';

describe('an error', () => {
  it.each([
    ['a missing right', serverError(13)],
    ['a wrong password', serverError(18)],
    ['an unknown command', serverError(59)],
    ['what is not implemented', serverError(238)],
    ['an index that cannot be', serverError(67)],
    ['an old server', new UnsupportedServerError('old')],
  ])('of %s does not pass by itself', (_, error) => {
    expect(isPermanent(error)).toBe(true);
  });

  it.each<[string, unknown]>([
    ['a lost connection', new mongo.MongoNetworkError('cut')],
    ['a server that steps down', serverError(10_107)],
    ['a task', new TaskStateError('no', 1, null)],
    ['a program', new TypeError('no')],
    ...Object.entries(hostile),
  ])('of %s may', (_, error) => {
    expect(isPermanent(error)).toBe(false);
    expect(explained(error)).toBe(error);
  });

  it.each([
    ['238', serverError(238, 'not implemented: partialFilterExpression'), '6.0'],
    ['67 about a partial filter', serverError(67, filterOfTime), 'feature compatibility version'],
  ])('with code %s is that of a server that cannot do it, and says what to do', (_, error, advice) => {
    expect(explained(error)).toMatchObject({
      name: 'UnsupportedServerError',
      cause: error,
      message: expect.stringContaining(advice) as unknown,
    });
  });

  it('with code 67 about anything else stays what it is', () => {
    const error = serverError(67, 'Index keys cannot be an empty object');

    expect(explained(error)).toBe(error);
  });
});

describe('a worker that meets an error that does not pass by itself', () => {
  const database = useDatabase();
  let number = 0;
  const makeJob = () => database.connection.model(`Job${++number}`, taskQueue(new Schema({ n: Number })));
  afterEach(() => jest.restoreAllMocks());

  it('tells of it once, however often it looks, and goes on when it has passed', async () => {
    const Job = makeJob();
    await Job.ensureTaskIndexes();
    const looks = jest.spyOn(nativeOf(Job), 'findOneAndUpdate').mockRejectedValue(serverError(13, 'not authorized'));
    const worker = makeWorker(Job, { handler: () => {}, pollMs: 1 });
    const events = recordEvents(worker);
    await worker.start();
    await eventually(() => expect(looks.mock.calls.length).toBeGreaterThan(4));
    expect(events).toMatchObject([['error', { code: 13 }]]);

    const finished = nextEvent(worker, 'finished');
    looks.mockRestore();
    await Job.push({ n: 1 });
    await finished;
  });

  it('at its start rejects', async () => {
    const Job = makeJob();
    await Job.init();
    await Job.collection.dropIndexes();
    await Job.collection.createIndex({ n: 1 }, { name: 'task_claim' });

    const starting = makeWorker(Job, { handler: () => {} }).start();

    await expect(starting).rejects.toMatchObject({ name: 'IndexConflictError' } satisfies Partial<IndexConflictError>);
  });
});

describe('a server whose feature compatibility version is too low', () => {
  it('is named as that by pop(), ensureTaskIndexes() and a worker', async () => {
    const mongod = await startMongod({ parameters: { ttlMonitorSleepSecs: 60 } });
    const connection = await openConnection(mongod.uri, { dbName: 'old' });
    const admin = connection.getClient().db('admin');
    const { version } = await admin.command({ buildInfo: 1 });
    // Newer servers cannot be set so far back.
    if (String(version).startsWith('6.')) {
      await admin.command({ setFeatureCompatibilityVersion: '5.0' });
      const Job = connection.model('Job', taskQueue(new Schema({ n: Number }, { autoIndex: false })));
      await Job.push({ n: 1 });
      const refused = { name: 'UnsupportedServerError', message: expect.stringContaining('compatibility') as unknown };

      await expect(Job.pop()).rejects.toMatchObject(refused);
      await expect(Job.ensureTaskIndexes()).rejects.toMatchObject(refused);
      await expect(makeWorker(Job, { handler: () => {} }).start()).rejects.toMatchObject(refused);
      await expect(Job.queue().next()).rejects.toMatchObject(refused);
    }

    await connection.destroy();
    await mongod.stop();
  });
});
