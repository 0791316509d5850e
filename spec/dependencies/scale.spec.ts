import { Schema, Types } from 'mongoose';
import { taskQueue, type DependencyPolicy } from 'mongoose-task-queue';
import { useDatabase } from '../support/database';
import { nativeOf } from '../support/raw';
import { workOf, type Work } from '../support/work';

const MANY = 100_000;
const POPS = 5;
/** What one pop may cost, among so many: commands, and what the server looks at for them. */
const FEW_COMMANDS = 40;
const FEW_EXAMINED = 10_000;
/** One walk through all of them, by the index: what nobody has judged yet is passed over by what it waits for. */
const ONE_WALK = 2 * MANY;
const PAST = new Date(0);

const { ObjectId } = Schema.Types;

describe('beside 100 000 tasks', () => {
  const database = useDatabase();
  let number = 0;

  const makeModels = (onFailed: DependencyPolicy) => {
    const { connection } = database;
    const parent = { type: ObjectId, ref: `Parent${++number}` };
    const schema = new Schema({
      parent: { ...parent, dependsOn: { type: 'DIRECT' as const, onFailed } },
      others: { type: [parent], dependsOn: { type: 'ANY_OF' as const, onFailed } },
    });
    const Parent = connection.model(`Parent${number}`, taskQueue(new Schema({})));
    const Child = connection.model(`Child${number}`, taskQueue(schema));

    return { Parent, Child };
  };
  type Children = ReturnType<typeof makeModels>['Child'];

  const insertMany = async (Child: Children, layout: object) => {
    await Child.ensureTaskIndexes();
    for (let start = 0; start < MANY; start += 10_000) {
      const copies = Array.from({ length: 10_000 }, () => ({ ...layout, _id: new Types.ObjectId() }));
      await nativeOf(Child).insertMany(copies, { ordered: false });
    }
  };

  // Through the door, so that what they wait for is marked; then as many more of its form.
  const insertParked = async (Child: Children, input: object, fields: object = {}) => {
    const { _id } = await Child.push(input as never);
    const { _task: task, ...layout } = (await nativeOf(Child).findOne({ _id }))!;
    await insertMany(Child, { ...layout, _task: { ...task, ...fields } });
  };

  /** What some pops return, and what the one did that did most. */
  const popSome = async (Child: Children) => {
    const popped: (Types.ObjectId | null)[] = [];
    const pops = Array.from({ length: POPS }, () => async () => void popped.push((await Child.pop())?._id ?? null));
    const work = await workOf(database.connection, pops);
    const most = {
      commands: Math.max(...work.map(({ commands }) => commands)),
      examined: Math.max(...work.map(({ examined }) => examined)),
    };
    process.stderr.write(
      `${expect.getState().currentTestName}: at most ${most.commands} commands, ${most.examined} keys and documents\n`,
    );

    return { popped, most };
  };
  const expectLittle = ({ commands, examined }: Work, isJudged = true) => {
    expect(commands).toBeLessThan(FEW_COMMANDS);
    expect(examined).toBeLessThan(FEW_EXAMINED + (isJudged ? 0 : ONE_WALK));
  };

  describe('that wait for one that has failed, a pop returns soon', () => {
    const policies = [
      { onFailed: 'wait', ready: false },
      { onFailed: 'fail', ready: false },
      { onFailed: 'ignore', ready: true },
    ] as const;

    it.each(policies)('when they were pushed before: $onFailed', async ({ onFailed, ready }) => {
      const { Parent, Child } = makeModels(onFailed);
      const parent = await Parent.push({});
      await insertParked(Child, { parent: parent._id });
      expect(await Child.pop()).toBeNull();
      await parent.fail('of no use');

      const { popped, most } = await popSome(Child);

      expect(popped.map((id) => id !== null)).toEqual(popped.map(() => ready));
      expectLittle(most);
    });

    it.each(policies)('when another program inserted them: $onFailed', async ({ onFailed, ready }) => {
      const { Parent, Child } = makeModels(onFailed);
      const parent = await Parent.push({});
      await parent.fail('of no use');
      await insertMany(Child, { state: 'CREATED', priority: 2, parent: parent._id });

      const { popped, most } = await popSome(Child);

      expect(popped.map((id) => id !== null)).toEqual(popped.map(() => ready));
      expectLittle(most, false);
    });
  });

  it('that were inserted by another program and must wait, a pop finds the one that is ready behind them', async () => {
    const { Parent, Child } = makeModels('wait');
    const parent = await Parent.push({});
    await insertMany(Child, { state: 'CREATED', priority: 2, parent: parent._id });
    const ready = await Child.push({ priority: 1 });

    const { popped, most } = await popSome(Child);

    expect(popped).toEqual([ready._id, null, null, null, null]);
    expectLittle(most, false);
  });

  it.each(['parked', 'inserted by another program'])(
    'that wait for any of two of which one has failed, a pop returns soon: %s',
    async (how) => {
      const { Parent, Child } = makeModels('fail');
      const [failed, open] = await Parent.push([{}, {}]);
      const others = [failed!._id, open!._id];
      if (how === 'parked') await insertParked(Child, { others });
      else await insertMany(Child, { state: 'CREATED', priority: 2, others });
      await failed!.fail('of no use');

      const { popped, most } = await popSome(Child);

      expect(popped).toEqual(popped.map(() => null));
      expectLittle(most, how === 'parked');
    },
  );

  it('whose re-checks are all due at once, a pop returns soon, and what is ready first', async () => {
    const { Parent, Child } = makeModels('wait');
    const parent = await Parent.push({});
    await insertParked(Child, { parent: parent._id }, { recheckAt: PAST });
    const ready = await Child.push({});

    const { popped, most } = await popSome(Child);

    expect(popped).toEqual([ready._id, null, null, null, null]);
    expectLittle(most);
  });
});
