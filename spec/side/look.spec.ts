import { Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { controlOf, noteUse, onControl } from '../../lib/side/control';
import { LOOK_MS, lookOf } from '../../lib/side/look';
import { sleep } from '../../lib/timers';
import { monitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';

const database = useDatabase();

function makeModel(name: string, connection = database.connection) {
  return connection.model(name, taskQueue(new Schema({ number: Number })));
}

describe('a look', () => {
  it('is one for all kinds of a collection', () => {
    const Base = makeModel('Base');
    const Kind = Base.discriminator('Kind', new Schema({}));

    expect(lookOf(Kind as never)).toBe(lookOf(Base));
  });

  it('lets the pops that have waited for it go on together, so that one claim serves them', async () => {
    const monitored = await monitoredConnection(database.uri);
    const Looked = makeModel('Looked', monitored.connection);
    await Looked.push(Array.from({ length: 8 }, (_, number) => ({ number })));
    monitored.forget();

    const popped = await Promise.all(Array.from({ length: 8 }, () => Looked.pop()));

    expect(popped.map((task) => task!.number)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect([monitored.sent('findAndModify').length, monitored.sent('update').length]).toEqual([0, 1]);
  });

  it('that began before a write of this process does not hide it', async () => {
    const Raced = makeModel('Raced');
    for (let round = 0; round < 20; round++) {
      const looks = Array.from({ length: 3 }, () => lookOf(Raced).again());
      const noted = noteUse(Raced, `use ${round}`);
      await Promise.all([...looks, noted]);

      expect((await controlOf(Raced)).uses).toContain(`use ${round}`);
    }
  });

  it('comes regularly while somebody listens, and never after that', async () => {
    const monitored = await monitoredConnection(database.uri, { countsLooks: true });
    const Timed = makeModel('Timed', monitored.connection);
    await Timed.init();
    monitored.forget();
    const began = performance.now();
    const stops = [onControl(Timed, () => {}), onControl(Timed, () => {})];
    await eventually(() => expect(monitored.all().length).toBeGreaterThanOrEqual(3));
    stops.forEach((stop) => stop());
    const count = monitored.all().length;

    // One at first, and one for each time that has passed since.
    expect(count).toBeLessThanOrEqual(1 + Math.ceil((performance.now() - began) / LOOK_MS));
    await sleep(2 * LOOK_MS);
    // One may have been under way.
    expect(monitored.all().length).toBeLessThanOrEqual(count + 1);
  });
});
