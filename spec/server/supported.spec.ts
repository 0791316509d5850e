import { mongo, Schema } from 'mongoose';
import { taskQueue, UnsupportedServerError } from 'mongoose-task-queue';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { without } from '../support/without';

type Answer = Record<string, unknown>;

describe('a server', () => {
  const database = useDatabase();
  afterEach(() => jest.restoreAllMocks());

  /** A model on a connection of its own, whose server gives the answers that `change` makes of those of MongoDB. */
  async function makeJob(change: Record<string, (answer: Answer) => Answer>) {
    const asked: string[] = [];
    const { command } = mongo.Db.prototype;
    jest.spyOn(mongo.Db.prototype, 'command').mockImplementation(async function (this: mongo.Db, body, options) {
      const [name = ''] = Object.keys(body);
      asked.push(name);

      return change[name]?.(await command.call(this, body, options)) ?? command.call(this, body, options);
    });
    const connection = await openConnection(database.uri, { dbName: database.connection.name });
    const Job = connection.model('Job', taskQueue(new Schema({ n: Number }, { autoIndex: false, autoCreate: false })));

    return { Job, asked };
  }

  const anonymous = (hello: Answer) => without(hello, 'topologyVersion');
  const ferret = (ferretdbVersion: string) => (info: Answer) => ({ ...info, version: '7.0.42', ferretdbVersion });

  it('that only speaks the protocol, as FerretDB 1 does, is refused by the first push, which stores nothing', async () => {
    const { Job } = await makeJob({ hello: anonymous, buildInfo: ferret('v1.24.0') });

    for (const push of [() => Job.push({ n: 1 }), () => Job.push([{ n: 2 }]), () => new Job({ n: 3 }).push()])
      await expect(push()).rejects.toThrow(
        new UnsupportedServerError(
          'Expected a server that can do what MongoDB 6.0 can, got FerretDB v1.24.0, which has no partial indexes and no updates by pipelines. Use MongoDB 6.0 or newer.',
        ),
      );
    expect(await Job.countDocuments()).toBe(0);
  });

  it.each<[string, (info: Answer) => Answer]>([
    ['is another one', (info) => ({ ...info, ferretdb: { version: 'v2.7.0' } })],
    ['is a later one', ferret('v2.7.0')],
    [
      'does not say which it is',
      () => {
        throw new mongo.MongoServerError({ message: 'not authorized', code: 13 });
      },
    ],
  ])('that leaves out what MongoDB says of itself and %s is tried', async (_, buildInfo) => {
    const { Job, asked } = await makeJob({ hello: anonymous, buildInfo });

    await Job.push({ n: 1 });

    expect(asked).toContain('buildInfo');
  });

  it('that is a MongoDB is not asked what it is', async () => {
    const { Job, asked } = await makeJob({});

    await Job.push({ n: 1 });

    expect(asked).toContain('hello');
    expect(asked).not.toContain('buildInfo');
  });
});
