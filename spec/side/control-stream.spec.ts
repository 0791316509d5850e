import { Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { knownControl, noteUse } from '../../lib/side/control';
import { hearControl } from '../../lib/side/control-stream';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';

const database = useDatabase('replicaSet');

const makeModel = (name: string, connection = database.connection) =>
  connection.model(name, taskQueue(new Schema({ number: Number })));

describe('the change stream on control documents', () => {
  it('has a change of another process looked at, without any regular look', async () => {
    const other = await openConnection(database.uri);
    const [Mail, Fax] = [makeModel('Mail'), makeModel('Fax')];
    await Mail.ensureTaskIndexes();
    await Mail.pop();
    const stops = [hearControl(Mail), hearControl(Fax)];

    // The stream needs a moment to be opened: what was written before is not in it.
    for (const model of [Mail, Fax]) {
      const There = makeModel(model.modelName, other);
      let round = 0;
      await eventually(async () => {
        await noteUse(There, `use ${round++}`);
        expect(knownControl(model)?.uses).toContain(`use ${round - 1}`);
      });
    }
    stops.forEach((stop) => stop());
  });

  it('is not opened after its end', async () => {
    const Ended = makeModel('Ended');
    const stop = hearControl(Ended);
    stop();
    stop();
    await noteUse(Ended, 'anything');

    expect(knownControl(Ended)?.uses).toEqual(['anything']);
  });
});
