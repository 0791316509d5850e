import { Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { choiceOf, noteContention, someOf } from '../../lib/claim/contention';
import { definitionOf } from '../../lib/definition/definition';
import { monitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { nativeOf } from '../support/raw';

describe('claims of many at the same moment', () => {
  const database = useDatabase();
  let number = 0;
  const makeEmail = (connection = database.connection) =>
    connection.model(`Email${++number}`, taskQueue(new Schema({ to: String })));

  it('choose from more tasks each time that others were faster, up to four times as many, and from less again', () => {
    const definition = definitionOf(makeEmail() as never);

    const choices = [0.5, 0, 0.1, 0.7, 1, 1].map((won) => {
      noteContention(definition, won);
      return choiceOf(definition);
    });

    expect(choices).toEqual([2, 4, 4, 2, 1, 1]);
  });

  it('take a stretch of the queue in its order, and any of them', () => {
    const ids = [1, 2, 3, 4, 5];
    const stretches = new Set(Array.from({ length: 200 }, () => someOf(ids, 3).join('')));

    expect([...stretches].sort()).toEqual(['123', '234', '345']);
    expect(someOf(ids, 5)).toEqual(ids);
    expect(someOf(ids, 9)).toEqual(ids);
  });

  it('get all the same when others take what they have read', async () => {
    const { connection } = await monitoredConnection(database.uri);
    const Email = makeEmail(connection);
    await Email.push(Array.from({ length: 100 }, () => ({})));
    const collection = nativeOf(Email);
    const real = collection.updateMany.bind(collection);
    let thefts = 0;
    jest.spyOn(collection, 'updateMany').mockImplementation(async (filter, ...rest) => {
      const { $in: ids } = filter!['_id'] as { $in: unknown[] };
      const others = ids.slice(0, -1);
      if (thefts++ < 3) await real({ _id: { $in: others as never[] } }, { $set: { state: 'FINISHED' } });
      return real(filter!, ...rest);
    });

    const tasks = await Email.popMany(10);

    expect(tasks).toHaveLength(10);
    expect(await Email.countDocuments({ state: 'RUNNING' })).toBe(10);
    jest.restoreAllMocks();
  });
});
