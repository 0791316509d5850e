import { Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { controlOf, knownControl, noteUse, onControl, signalCancel } from '../../lib/side/control';
import { monitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';

const database = useDatabase();

function makeModel(name: string, connection = database.connection) {
  return connection.model(name, taskQueue(new Schema({ number: Number })));
}

describe('controlOf()', () => {
  it('is empty for a collection that nobody steers, and makes no collection', async () => {
    const Plain = makeModel('Plain');

    expect(await controlOf(Plain)).toEqual({ pauses: [], cancelled: null, uses: [] });
    expect(await database.connection.listCollections()).not.toContainEqual(
      expect.objectContaining({ name: 'plains.queue' }),
    );
  });

  it('sees the own writes of a process at once', async () => {
    const Own = makeModel('Own');
    await controlOf(Own);
    await noteUse(Own, 'startBy');

    expect(knownControl(Own)!.uses).toEqual(['startBy']);
    await signalCancel(Own);
    expect(knownControl(Own)!.cancelled).not.toBeNull();
  });

  it('counts for a while, whoever asks', async () => {
    const monitored = await monitoredConnection(database.uri, { countsLooks: true });
    const Counted = makeModel('Counted', monitored.connection);
    await controlOf(Counted);
    monitored.forget();
    await Promise.all(Array.from({ length: 50 }, () => controlOf(Counted)));

    // None, or one if the machine was busy for longer than a look counts.
    expect(monitored.all().length).toBeLessThanOrEqual(1);
  });
});

describe('noteUse()', () => {
  it('writes only what is not known yet', async () => {
    const monitored = await monitoredConnection(database.uri);
    const Used = makeModel('Used', monitored.connection);
    await noteUse(Used, 'startBy');
    monitored.forget();
    await noteUse(Used, 'startBy');

    expect(monitored.all()).toEqual([]);
  });
});

describe('onControl()', () => {
  it('tells of a change by another process, until it is stopped', async () => {
    const Heard = makeModel('Heard');
    const monitored = await monitoredConnection(database.uri);
    const Other = makeModel('Heard', monitored.connection);
    const heard: unknown[] = [];
    const stop = onControl(Heard, ({ cancelled }) => void heard.push(String(cancelled)));
    await signalCancel(Other);
    const { cancelled } = knownControl(Other)!;

    await eventually(() => expect(heard).toEqual([String(cancelled)]));
    stop();
    await noteUse(Other, 'anything');
    await controlOf(Other);
    expect(heard).toHaveLength(1);
  });
});
