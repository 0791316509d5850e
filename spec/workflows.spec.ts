import { Schema, Types } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { useDatabase } from './support/database';
import { eventually } from './support/eventually';

/** What docs/workflows.md says, as far as no other spec shows it. */
describe('a workflow', () => {
  const database = useDatabase('replicaSet');
  let count = 0;
  const makeStep = () => {
    const name = `Step${count++}`;
    const schema = new Schema({ name: String, after: { type: Schema.Types.ObjectId, ref: name } });
    return database.connection.model(name, taskQueue(schema, { dependencies: { after: 'DIRECT' } }));
  };
  /** Two steps that wait for each other. */
  const circle = async () => {
    const Step = makeStep();
    const [a, b] = [new Types.ObjectId(), new Types.ObjectId()];
    const [first, second] = await Step.push([
      { _id: a, name: 'a', after: b },
      { _id: b, name: 'b', after: a },
    ]);
    expect(await Step.pop()).toBeNull();
    return { Step, first: first!, second: second! };
  };

  it('is made in one transaction by ids that are given beforehand', async () => {
    const Step = makeStep();
    const first = new Types.ObjectId();

    await database.connection.transaction(async (session) => {
      await Step.push({ _id: first, name: 'a' }, { session });
      await Step.push({ name: 'b', after: first }, { session });
    });

    const names = [];
    for (let step = await Step.pop(); step; step = await Step.pop()) names.push((await step.finish()).name);
    expect(names).toEqual(['a', 'b']);
  });

  it('that is a circle shows the way around', async () => {
    const { first, second } = await circle();

    const [{ cycle } = {}] = await first.blockedBy();

    expect(cycle?.map(({ id }) => id)).toEqual([first._id, second._id, first._id]);
  });

  it('that is a circle ends when one is pushed again without its reference', async () => {
    const { Step, first } = await circle();

    const again = (await Step.findById(first))!;
    again.set('after', undefined);
    await again.push();

    await eventually(async () => expect((await Step.pop())?.name).toBe('a'));
  });

  it('that is a circle ends when one is cancelled', async () => {
    const { Step, first, second } = await circle();

    await first.cancel();

    expect((await Step.findById(first))?.state).toBe('CANCELLED');
    expect((await second.blockedBy())[0]?.documents[0]).toMatchObject({ standing: 'cancelled' });
  });
});
