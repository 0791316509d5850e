import { Schema } from 'mongoose';
import { constant, taskQueue } from 'mongoose-task-queue';
import { monitoredConnection, type MonitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';

describe('a queue in which nothing is cancelled', () => {
  const database = useDatabase();
  let monitored: MonitoredConnection;
  const make = () => monitored.connection.model('Order', taskQueue(new Schema({}), { backoff: constant(0) }));
  let Order: ReturnType<typeof make>;

  beforeAll(async () => {
    monitored = await monitoredConnection(database.uri);
    Order = make();
    await Order.ensureTaskIndexes();
  });

  async function popped() {
    await Order.push({});
    const task = (await Order.pop())!;
    monitored.forget();
    return task;
  }

  const filter = () => monitored.all().map(({ name, body }) => [name, Object.keys(body['updates'][0].q)]);
  const usual = ['_id', 'state', '_task.token', '_task.schedule'];

  it.each(['finish', 'fail'] as const)('has the same command for a %s() as before there was cancel()', async (verb) => {
    const task = await popped();

    await task[verb]();

    const statements = monitored.all().flatMap(({ body }) => body['updates'] as object[]);
    expect(filter()).toEqual([['update', usual]]);
    expect(statements).toEqual([
      {
        q: { _id: { $in: [task._id] }, state: 'RUNNING', '_task.token': expect.anything(), '_task.schedule': null },
        u: [
          {
            $set: {
              state: verb === 'finish' ? 'FINISHED' : 'FAILED',
              '_task.settledAt': '$$NOW',
              '_task.availableAt': '$_task.dueAt',
            },
          },
        ],
        multi: true,
        hint: '_id_',
      },
    ]);
  });

  it.each(['retry', 'release'] as const)('has one command for a %s()', async (verb) => {
    const task = await popped();

    await task[verb]();

    expect(filter()).toEqual([['update', [...usual, '_task.cancel']]].map(([name, keys]) => [name, keys]));
    await Order.deleteMany({});
  });

  it('has no command more for a push and a pop', async () => {
    await Order.deleteMany({});
    monitored.forget();

    await Order.push({});
    await Order.pop();

    expect(monitored.all().map(({ name }) => name)).toEqual(['insert', 'findAndModify']);
  });
});
