import { createConnection, Schema } from 'mongoose';
import { taskQueue } from '../../lib';
import { useDatabase } from '../support/database';

const database = useDatabase();
const schema = () => taskQueue(new Schema({ text: String, count: Schema.Types.Mixed }));

describe('tasks that are claimed together', () => {
  it('are all handed out when they are too large for one answer of the server', async () => {
    const Large = database.connection.model('Large', schema());
    const text = 'x'.repeat(6_000_000);
    for (let index = 0; index < 4; index++) await Large.push({ text });

    const tasks = await Large.popMany(4);

    expect(tasks.map((task) => task.text?.length)).toEqual([6_000_000, 6_000_000, 6_000_000, 6_000_000]);
  });

  it('are read as the connection reads all else', async () => {
    const connection = await createConnection(database.uri, {
      promoteLongs: false,
      readConcernLevel: 'majority',
    }).asPromise();
    const Counted = connection.model('Counted', schema());
    await Counted.push([{ count: 1n }, { count: 2n }]);

    const tasks = await Counted.popMany(2);

    expect(tasks.map(({ count }) => count.constructor.name)).toEqual(['Long', 'Long']);
    await connection.destroy();
  });

  it('are read from a model whose connection is opened later', async () => {
    const connection = createConnection();
    const Early = connection.model('Early', schema());
    const popped = Early.popMany(2);
    await connection.openUri(database.uri);

    await expect(popped).resolves.toEqual([]);
    await connection.destroy();
  });
});
