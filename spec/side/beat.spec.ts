import { Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { Beat } from '../../lib/side/beat';
import { sideOf } from '../../lib/side/collection';
import { monitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';

const database = useDatabase();

describe('the beat of a worker', () => {
  it('is one command for all models of a collection, whatever was counted', async () => {
    const monitored = await monitoredConnection(database.uri);
    const Base = monitored.connection.model('Beaten', taskQueue(new Schema({ number: Number })));
    const Kind = Base.discriminator('BeatenKind', new Schema({}));
    const beat = new Beat([Base, Kind as never], () => ({ concurrency: 2, running: 1, held: 2 }));
    await Base.ensureTaskIndexes();
    await beat.start();
    monitored.forget();
    for (let count = 0; count < 1_000; count++)
      beat.record(count % 2 ? Base : (Kind as never), 'finished', count, count);
    await eventually(async () => expect(await Base.workers()).toHaveLength(1));
    const writes = monitored.sent('update');

    expect(writes).toHaveLength(1);
    // The beat, and the minute of each model; two of them at a turn of the minute.
    expect((writes[0]!.body['updates'] as unknown[]).length).toBeLessThanOrEqual(5);
    await beat.stop();
    await eventually(async () => expect(await Base.workers()).toEqual([]));
  });

  it('that failed keeps what was counted, and says so once', async () => {
    const Failing = database.connection.model('Failing', taskQueue(new Schema({ number: Number })));
    await Failing.ensureTaskIndexes();
    const side = sideOf(Failing);
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const write = jest.spyOn(side, 'bulkWrite').mockRejectedValueOnce(new Error('full'));
    const beat = new Beat([Failing], () => ({ concurrency: 1, running: 0, held: 0 }));
    await beat.start();
    beat.record(Failing, 'finished', 1, 1);
    await eventually(() => expect(write).toHaveBeenCalledTimes(1));
    await eventually(() => expect(warned).toHaveBeenCalledTimes(1));
    await beat.stop();
    warned.mockRestore();

    // The end waits for its last write only for a moment.
    await eventually(async () => expect((await Failing.stats()).finishedLastHour).toBe(1));
  });
});
