import { Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { Reading } from '../../lib/metrics/reading';
import { useDatabase } from '../support/database';
import { deferred } from '../support/deferred';
import { eventually } from '../support/eventually';

const database = useDatabase();

let count = 0;
const makeModel = () => database.connection.model(`Read${++count}`, taskQueue(new Schema({ to: String })));

describe('the figures of a queue', () => {
  it('are waited for to a limit, and not asked for again while an answer is missing', async () => {
    const Letter = makeModel();
    await Letter.stats();
    const answer = deferred<object[]>();
    const asked = jest
      .spyOn(Letter.collection, 'aggregate')
      .mockImplementation(() => ({ toArray: () => answer.promise }) as never);
    const reading = new Reading(Letter as never, 0, 20);
    await expect(reading.figures()).rejects.toThrow('No answer within 20 ms.');
    await expect(reading.figures()).rejects.toThrow('No answer within 20 ms.');
    expect(asked).toHaveBeenCalledTimes(1);
    answer.resolve([]);

    await eventually(async () => expect(await reading.figures()).toMatchObject({ ready: 0, workers: 0 }));
    jest.restoreAllMocks();
  });

  it('that could not be read are not asked for again before they are too old', async () => {
    const Letter = makeModel();
    await Letter.stats();
    const asked = jest.spyOn(Letter.collection, 'aggregate').mockImplementation(() => {
      throw new Error('out of reach');
    });
    const reading = new Reading(Letter as never, 60_000);
    for (let time = 0; time < 3; time++) await expect(reading.figures()).rejects.toThrow('out of reach');
    expect(asked).toHaveBeenCalledTimes(1);
    jest.restoreAllMocks();
  });
});
