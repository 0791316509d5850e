import type { Types } from 'mongoose';
import { startProgram, type Child } from '../support/child';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import type { StopAt } from '../support/programs/stopper';
import { nativeOf, rawUpdate, stored } from '../support/raw';
import { makeReports } from '../support/report';

const RECHECK_MS = 1_000;
/** A re-check varies by a fifth, and is looked for four times a second. The rest is for a busy machine. */
const IN_TIME_MS = 3_000;

// Each process is stopped in front of a write and never comes back, or comes back when everybody else has gone on.
describe('a process that stops', () => {
  const database = useDatabase();
  const makeModels = () => makeReports(database.connection, RECHECK_MS);
  let models: ReturnType<typeof makeModels>;

  beforeAll(async () => {
    models = makeModels();
    await models.Report.ensureTaskIndexes();
  });

  beforeEach(async () => {
    await Promise.all([models.Source.deleteMany({}), models.Report.deleteMany({})]);
  });

  const stopBefore = async (stopAt: StopAt, input: object = {}): Promise<Child> => {
    const program = startProgram('stopper', { uri: database.uri, recheckMs: RECHECK_MS, stopAt, ...input });
    await program.line((message) => 'stops' in message);
    return program;
  };
  const kill = async (program: Child) => {
    program.kill('SIGKILL');
    await program.exit;
  };
  const goOn = async (program: Child) => {
    program.kill('SIGCONT');
    await program.line((message) => 'goesOn' in message);
    await kill(program);
  };
  const setState = (id: Types.ObjectId, state: string) => rawUpdate(models.Source, id, { $set: { state } });
  const isParked = async (id: Types.ObjectId) =>
    '_task' in (await stored(models.Report, id)) && 'waitingOn' in (await stored(models.Report, id))['_task'];

  describe('between parking a task and marking what it waits for', () => {
    it('leaves it to its re-check when it popped', async () => {
      const source = await models.Source.push({});
      const { insertedId: id } = await nativeOf(models.Report).insertOne({ state: 'CREATED', source: source._id });

      await kill(await stopBefore('the mark'));
      await setState(source._id, 'FINISHED');

      expect(await isParked(id)).toBe(true);
      await becomesReady(id);
    });

    it('leaves it to its re-check when it pushed', async () => {
      const source = await models.Source.push({});

      await kill(await stopBefore('the mark', { source: source._id }));
      await setState(source._id, 'FINISHED');

      const { _id: id } = (await models.Report.findOne())!;
      expect(await isParked(id)).toBe(true);
      await becomesReady(id);
    });

    it('leaves it to its re-check when it failed it with its dependency', async () => {
      const source = await models.Source.push({});
      await setState(source._id, 'FAILED');
      const { insertedId: id } = await nativeOf(models.Report).insertOne({ state: 'CREATED', source: source._id });

      await kill(await stopBefore('the mark'));
      await setState(source._id, 'FINISHED');

      expect((await stored(models.Report, id))['state']).toBe('FAILED');
      await becomesReady(id);
    });

    it('does no harm when it comes back after all is done', async () => {
      const source = await models.Source.push({});
      const { insertedId: id } = await nativeOf(models.Report).insertOne({ state: 'CREATED', source: source._id });
      const program = await stopBefore('the mark');
      await setState(source._id, 'FINISHED');
      await becomesReady(id);

      await goOn(program);

      expect(await models.Report.pop()).toBeNull();
      expect(await stored(models.Report, id)).toMatchObject({ state: 'RUNNING', _task: { claims: 1 } });
    });
  });

  describe('between finding a finished document and waking who waits for it', () => {
    it('leaves that to the next pop', async () => {
      const { id } = await pushWaiting();

      await kill(await stopBefore('the wake'));

      expect((await models.Report.pop())?._id).toEqual(id);
    });

    it('leaves a task alone that was popped meanwhile', async () => {
      const { id } = await pushWaiting();
      const program = await stopBefore('the wake');
      await models.Report.pop();
      const before = await stored(models.Report, id);

      await goOn(program);

      expect(await stored(models.Report, id)).toEqual(before);
    });
  });

  describe('between waking tasks and taking the mark away', () => {
    it('leaves that to the next pop', async () => {
      const { id, source } = await pushWaiting();

      await kill(await stopBefore('the disarming'));
      expect(Object.keys((await stored(models.Source, source))['_task'].armed)).toHaveLength(2);

      expect((await models.Report.pop())?._id).toEqual(id);
      // The other mark watches for a failure.
      await eventually(async () => {
        const { armed } = (await stored(models.Source, source))['_task'];
        expect(Object.keys(armed)).toHaveLength(1);
      });
    });

    it('spares the mark of who waits again when it comes back', async () => {
      const { id, source } = await pushWaiting();
      const program = await stopBefore('the disarming');
      await setState(source, 'CREATED');
      expect(await models.Report.pop()).toBeNull();
      expect(await isParked(id)).toBe(true);
      await nativeOf(models.Report).updateOne({ _id: id }, { $unset: { '_task.recheckAt': 1 } });

      await goOn(program);
      await setState(source, 'FINISHED');

      expect((await models.Report.pop())?._id).toEqual(id);
    });
  });

  /** A report that is parked and whose source has been finished since. */
  async function pushWaiting(): Promise<{ id: Types.ObjectId; source: Types.ObjectId }> {
    const source = await models.Source.push({});
    const { _id: id } = await models.Report.push({ source: source._id });
    await setState(source._id, 'FINISHED');

    return { id, source: source._id };
  }

  async function becomesReady(id: Types.ObjectId): Promise<void> {
    const task = await eventually(
      async () => {
        const popped = await models.Report.pop();
        expect(popped).not.toBeNull();
        return popped!;
      },
      { timeoutMs: IN_TIME_MS },
    );
    expect(task._id).toEqual(id);
  }
});
