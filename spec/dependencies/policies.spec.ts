import { Schema, Types } from 'mongoose';
import { DependencyType, State, taskQueue, type DependencyPolicy } from 'mongoose-task-queue';
import { useDatabase } from '../support/database';
import { nativeOf, rawUpdate, stored } from '../support/raw';
import { seen } from '../support/seen';

const { ObjectId } = Schema.Types;
const { DIRECT, ALL_OF, ANY_OF } = DependencyType;

/** A single reference and lists of one, which all mean the same. */
const FIELDS = ['one', 'all', 'any'] as const;
const POLICIES: readonly DependencyPolicy[] = ['wait', 'fail', 'ignore'];

function referring(field: (typeof FIELDS)[number], id: unknown): Record<string, never> {
  return { [field]: (field === 'one' ? id : [id]) as never };
}

describe('what becomes of a task', () => {
  const database = useDatabase();
  const makeSource = () => database.connection.model('Source', taskQueue(new Schema({ name: String })));
  let Source: ReturnType<typeof makeSource>;

  const makeReport = (policies: { onFailed?: DependencyPolicy; onMissing?: DependencyPolicy }) => {
    const reference = { type: ObjectId, ref: 'Source' };
    const schema = new Schema({
      one: { ...reference, dependsOn: { type: DIRECT, ...policies } },
      all: { type: [reference], dependsOn: { type: ALL_OF, ...policies } },
      any: { type: [reference], dependsOn: { type: ANY_OF, ...policies } },
    });
    return database.connection.model(`Report ${JSON.stringify(policies)}`, taskQueue(schema));
  };
  type Report = ReturnType<typeof makeReport>;
  const Reports = {} as Record<'onFailed' | 'onMissing', Record<DependencyPolicy, Report>> & { both: Report };

  beforeAll(async () => {
    Source = makeSource();
    for (const policy of ['onFailed', 'onMissing'] as const) {
      const made = POLICIES.map((value) => [value, makeReport({ [policy]: value })] as const);
      Reports[policy] = Object.fromEntries(made) as Record<DependencyPolicy, Report>;
    }
    Reports.both = makeReport({ onFailed: 'fail', onMissing: 'ignore' });
    await Promise.all(
      [...Object.values(Reports.onFailed), ...Object.values(Reports.onMissing), Reports.both].map((Report) =>
        Report.ensureTaskIndexes(),
      ),
    );
  });

  beforeEach(async () => {
    await Source.deleteMany({});
    for (const Report of Object.values(database.connection.models)) await Report.deleteMany({});
  });

  const pushSources = async (count: number) =>
    Source.push(Array.from({ length: count }, (_, index) => ({ name: String(index) })));

  const stateOf = async (model: Report, _id: unknown) => (await stored(model, _id))['state'] as string;
  const failuresOf = async (model: Report, _id: unknown) => (await model.findById(_id))!.failures;

  /** Lets everything that follows from a change happen: each pop goes one link of a chain further. */
  const popNothing = async (Model: { pop(): Promise<unknown> }, times = 1) => {
    for (let time = 0; time < times; time++) expect(await Model.pop()).toBeNull();
  };

  describe.each(FIELDS)('whose dependency (%s) fails', (field) => {
    it("waits for its success under 'wait'", async () => {
      const [source] = await pushSources(1);
      const report = await Reports.onFailed.wait.push(referring(field, source!._id));
      await popNothing(Reports.onFailed.wait);

      await source!.fail();
      await popNothing(Reports.onFailed.wait);
      await source!.push();
      await popNothing(Reports.onFailed.wait);
      await source!.finish();

      expect((await Reports.onFailed.wait.pop())?.id).toBe(report.id);
    });

    it("waits for its success under 'wait' also when it was pushed after the failure", async () => {
      const [source] = await pushSources(1);
      await source!.fail();
      const report = await Reports.onFailed.wait.push(referring(field, source!._id));
      await popNothing(Reports.onFailed.wait);

      await rawUpdate(Source, source!._id, { $set: { state: 'FINISHED' } });

      expect((await Reports.onFailed.wait.pop())?.id).toBe(report.id);
    });

    it("fails with it under 'fail'", async () => {
      const [source] = await pushSources(1);
      const report = await Reports.onFailed.fail.push(referring(field, source!._id));
      await popNothing(Reports.onFailed.fail);

      await source!.fail(new Error('disk full'));
      await popNothing(Reports.onFailed.fail);

      expect(await stateOf(Reports.onFailed.fail, report._id)).toBe(State.FAILED);
      expect(await failuresOf(Reports.onFailed.fail, report._id)).toEqual([
        {
          message: `A dependency failed: Source ${source!.id}: disk full`,
          at: expect.any(Date) as Date,
          attempt: 0,
          cause: { model: 'Source', id: source!._id, message: 'disk full' },
        },
      ]);
    });

    it("is pushed as FAILED under 'fail' when it failed before", async () => {
      const [source] = await pushSources(1);
      await source!.fail(new Error('disk full'));

      const report = await Reports.onFailed.fail.push(referring(field, source!._id));

      expect(seen(report)).toMatchObject({ state: State.FAILED, failures: [{ cause: { id: source!._id } }] });
      expect(await stored(Reports.onFailed.fail, report._id)).toMatchObject({
        state: State.FAILED,
        _task: { settledAt: expect.any(Date) as Date, errors: [{ cause: { message: 'disk full' } }] },
      });
    });

    it("runs under 'ignore', whether it was pushed before or after", async () => {
      const [source] = await pushSources(1);
      const before = await Reports.onFailed.ignore.push(referring(field, source!._id));
      await popNothing(Reports.onFailed.ignore);

      await source!.fail();
      expect((await Reports.onFailed.ignore.pop())?.id).toBe(before.id);
      const after = await Reports.onFailed.ignore.push(referring(field, source!._id));

      expect((await Reports.onFailed.ignore.pop())?.id).toBe(after.id);
    });
  });

  describe.each(FIELDS)('whose dependency (%s) does not exist', (field) => {
    it("waits for it under 'wait'", async () => {
      const _id = new Types.ObjectId();
      await Reports.onMissing.wait.push(referring(field, _id));

      await popNothing(Reports.onMissing.wait);

      expect(await Reports.onMissing.wait.stats()).toMatchObject({ blocked: 1 });
    });

    it("fails under 'fail', and says what is missing", async () => {
      const _id = new Types.ObjectId();

      const report = await Reports.onMissing.fail.push(referring(field, _id));

      expect(seen(report)).toMatchObject({
        state: State.FAILED,
        failures: [
          {
            message: `A dependency is missing: Source ${String(_id)}`,
            cause: { model: 'Source', id: _id, message: '' },
          },
        ],
      });
      await popNothing(Reports.onMissing.fail);
    });

    it("runs under 'ignore'", async () => {
      const report = await Reports.onMissing.ignore.push(referring(field, new Types.ObjectId()));

      expect((await Reports.onMissing.ignore.pop())?.id).toBe(report.id);
    });

    it('is left to the other policy when it exists', async () => {
      const [source] = await pushSources(1);
      await source!.fail();
      const reports = [
        Reports.onMissing.fail,
        Reports.onMissing.ignore,
        Reports.onFailed.fail,
        Reports.onFailed.ignore,
      ];
      const ids = [source!._id, source!._id, new Types.ObjectId(), new Types.ObjectId()];

      for (const [index, Report] of reports.entries()) {
        await Report.push(referring(field, ids[index]));
        await popNothing(Report);
        expect(await Report.stats()).toMatchObject({ blocked: 1 });
      }
    });
  });

  describe('with alternatives', () => {
    it("fails under 'fail' only when none is left", async () => {
      const sources = await pushSources(3);
      const report = await Reports.onFailed.fail.push({ any: sources.map(({ _id }) => _id) });

      for (const source of sources) {
        await popNothing(Reports.onFailed.fail);
        expect(await stateOf(Reports.onFailed.fail, report._id)).toBe(State.CREATED);
        await source.fail();
      }
      await popNothing(Reports.onFailed.fail);

      expect(await stateOf(Reports.onFailed.fail, report._id)).toBe(State.FAILED);
    });

    it("runs under 'fail' with the last one", async () => {
      const [one, other] = await pushSources(2);
      const report = await Reports.onFailed.fail.push({ any: [one!._id, other!._id] });
      await one!.fail();
      await popNothing(Reports.onFailed.fail);

      await other!.finish();

      expect((await Reports.onFailed.fail.pop())?.id).toBe(report.id);
    });

    it("waits under 'fail' for one that failed and is pushed again, too", async () => {
      const [one, other] = await pushSources(2);
      const report = await Reports.onFailed.fail.push({ any: [one!._id, other!._id] });
      await one!.fail();
      await popNothing(Reports.onFailed.fail);

      await one!.push();
      await one!.finish();

      expect((await Reports.onFailed.fail.pop())?.id).toBe(report.id);
    });

    it("lets the others decide under 'ignore', and runs when none is left", async () => {
      const [one, other] = await pushSources(2);
      const report = await Reports.onFailed.ignore.push({ any: [one!._id, other!._id] });
      await one!.fail();
      await popNothing(Reports.onFailed.ignore);

      await other!.fail();

      expect((await Reports.onFailed.ignore.pop())?.id).toBe(report.id);
    });

    it('leaves out missing ones that are ignored', async () => {
      const [one] = await pushSources(1);
      const report = await Reports.both.push({ any: [new Types.ObjectId(), one!._id] });
      await popNothing(Reports.both);

      await one!.fail();
      await popNothing(Reports.both);

      expect(await stateOf(Reports.both, report._id)).toBe(State.FAILED);
    });
  });

  it("fails under 'fail' with one of all, as soon as it is known that it failed", async () => {
    const [broken, sound] = await pushSources(2);
    const report = await Reports.onFailed.fail.push({ all: [broken!._id, sound!._id] });
    await popNothing(Reports.onFailed.fail);

    await broken!.fail();
    await sound!.finish();
    await popNothing(Reports.onFailed.fail);

    expect(await stateOf(Reports.onFailed.fail, report._id)).toBe(State.FAILED);
  });

  it("fails under 'fail' with the first of all that fails, whichever it is, by whatever write", async () => {
    // Which of them is watched for its success is left to chance.
    for (let failing = 0; failing < 6; failing++) {
      const sources = await pushSources(6);
      const report = await Reports.onFailed.fail.push({ all: sources.map(({ _id }) => _id) });
      const done = sources[(failing + 1) % 6]!;
      await rawUpdate(Source, done._id, { $set: { state: 'FINISHED' } });
      await popNothing(Reports.onFailed.fail);

      await rawUpdate(Source, sources[failing]!._id, { $set: { state: 'FAILED' } });
      await popNothing(Reports.onFailed.fail);

      expect(await stateOf(Reports.onFailed.fail, report._id)).toBe(State.FAILED);
    }
  });

  it("is not woken under 'fail' by each of all that end", async () => {
    const sources = await pushSources(50);
    const report = await Reports.onFailed.fail.push({ all: sources.map(({ _id }) => _id) });
    const writes = jest.spyOn(nativeOf(Reports.onFailed.fail), 'updateMany');

    for (const { _id } of sources) {
      await rawUpdate(Source, _id, { $set: { state: 'FINISHED' } });
      if (_id !== sources.at(-1)!._id) await popNothing(Reports.onFailed.fail);
    }

    expect((await Reports.onFailed.fail.pop())?._id).toEqual(report._id);
    expect(writes.mock.calls.length).toBeLessThan(30);
    writes.mockRestore();
  });

  it("waits under 'ignore' for one that failed and was pushed again before the task ran", async () => {
    const [one, other] = await pushSources(2);
    const report = await Reports.onFailed.ignore.push({ all: [one!._id, other!._id] });
    await one!.fail();
    await popNothing(Reports.onFailed.ignore);
    await one!.push();

    await other!.finish();
    await popNothing(Reports.onFailed.ignore);
    await one!.finish();

    expect((await Reports.onFailed.ignore.pop())?.id).toBe(report.id);
  });

  it('is its own matter once it is held', async () => {
    const [source] = await pushSources(1);
    await source!.finish();
    await Reports.onFailed.fail.push({ one: source!._id });
    const task = (await Reports.onFailed.fail.pop())!;

    await rawUpdate(Source, source!._id, { $set: { state: 'FAILED' } });
    await popNothing(Reports.onFailed.fail);
    await task.finish();

    expect(await stateOf(Reports.onFailed.fail, task._id)).toBe(State.FINISHED);
  });

  describe('that failed with its dependency', () => {
    const failed = async (field: (typeof FIELDS)[number] = 'one') => {
      const [source] = await pushSources(1);
      const report = await Reports.onFailed.fail.push(referring(field, source!._id));
      await popNothing(Reports.onFailed.fail);
      await source!.fail(new Error('disk full'));
      await popNothing(Reports.onFailed.fail);
      expect(await stateOf(Reports.onFailed.fail, report._id)).toBe(State.FAILED);
      return { source: source!, report };
    };

    it.each(FIELDS)(
      'is queued again as soon as that (%s) is pushed again, and runs when it finishes',
      async (field) => {
        const { source, report } = await failed(field);

        await source.push();
        await popNothing(Reports.onFailed.fail);
        expect(await stateOf(Reports.onFailed.fail, report._id)).toBe(State.CREATED);
        await source.finish();

        const task = (await Reports.onFailed.fail.pop())!;
        expect([task.id, task.attempts]).toEqual([report.id, 1]);
      },
    );

    it.each(['CREATED', 'PENDING', 'RUNNING'])('is queued again when somebody makes it %s', async (state) => {
      const { source, report } = await failed();

      await rawUpdate(Source, source._id, { $set: { state } });
      await popNothing(Reports.onFailed.fail);

      expect(await stored(Reports.onFailed.fail, report._id)).toMatchObject({ state: State.CREATED });
      expect((await stored(Reports.onFailed.fail, report._id))['_task']).not.toHaveProperty('doomedBy');
    });

    it('runs at once when somebody makes it FINISHED', async () => {
      const { source, report } = await failed();

      await nativeOf(Source).updateMany({ _id: source._id }, { $set: { state: 'FINISHED' } });

      expect((await Reports.onFailed.fail.pop())?.id).toBe(report.id);
    });

    it('is queued again also when it was pushed after the failure', async () => {
      const [source] = await pushSources(1);
      await source!.fail();
      const report = await Reports.onFailed.fail.push({ one: source!._id });

      await rawUpdate(Source, source!._id, { $set: { state: 'FINISHED' } });

      expect((await Reports.onFailed.fail.pop())?.id).toBe(report.id);
    });

    it('fails again when it is failed again', async () => {
      const { source, report } = await failed();
      await source.push();
      await popNothing(Reports.onFailed.fail);

      await source.fail(new Error('disk full again'));
      await popNothing(Reports.onFailed.fail);

      const causes = (await failuresOf(Reports.onFailed.fail, report._id)).map(({ cause }) => cause?.message);
      expect(causes).toEqual(['disk full', 'disk full again']);
    });

    it('stays failed while another of them is', async () => {
      const [one, other] = await pushSources(2);
      for (const source of [one!, other!]) await source.fail(new Error(source.name!));
      const report = await Reports.onFailed.fail.push({ all: [one!._id, other!._id] });

      await rawUpdate(Source, one!._id, { $set: { state: 'FINISHED' } });
      await popNothing(Reports.onFailed.fail);

      expect(await stateOf(Reports.onFailed.fail, report._id)).toBe(State.FAILED);
      await rawUpdate(Source, other!._id, { $set: { state: 'FINISHED' } });
      expect((await Reports.onFailed.fail.pop())?.id).toBe(report.id);
    });

    it('fails at the next look when it is pushed again too early', async () => {
      const { report } = await failed();

      await report.push();
      expect(await stateOf(Reports.onFailed.fail, report._id)).toBe(State.CREATED);
      await popNothing(Reports.onFailed.fail);

      expect(await stateOf(Reports.onFailed.fail, report._id)).toBe(State.FAILED);
    });

    it('stays as somebody made it when it was finished by hand', async () => {
      const { source, report } = await failed();
      await rawUpdate(Reports.onFailed.fail, report._id, { $set: { state: 'FINISHED' } });

      await source.push();
      await popNothing(Reports.onFailed.fail);

      expect(await stateOf(Reports.onFailed.fail, report._id)).toBe(State.FINISHED);
    });
  });

  describe('in a chain', () => {
    const makeStep = () =>
      database.connection.model(
        'Step',
        taskQueue(
          new Schema({
            name: String,
            after: { type: ObjectId, ref: 'Step', dependsOn: { type: DIRECT, onFailed: 'fail' } },
          }),
        ),
      );
    let Step: ReturnType<typeof makeStep>;

    beforeAll(async () => {
      Step = makeStep();
      await Step.ensureTaskIndexes();
    });

    /** Four steps, each after the one before it. */
    const pushChain = async () => {
      const steps = [await Step.push({ name: '0' })];
      for (const name of ['1', '2', '3']) steps.push(await Step.push({ name, after: steps.at(-1)!._id }));
      return steps;
    };
    const states = async () => (await Step.find().sort({ name: 1 })).map(({ state }) => state as string);

    it('fails with the one that failed first, and says so', async () => {
      const steps = await pushChain();
      const first = (await Step.pop())!;
      await first.fail(new Error('disk full'));

      await popNothing(Step, 3);

      expect(await states()).toEqual(['FAILED', 'FAILED', 'FAILED', 'FAILED']);
      for (const step of steps.slice(1)) {
        const [failure] = (await Step.findById(step._id))!.failures;
        expect(failure!.cause).toEqual({ model: 'Step', id: first._id, message: 'disk full' });
        expect(failure!.message).toBe(`A dependency failed: Step ${first.id}: disk full`);
      }
    });

    it('fails with the one that failed first when it is pushed afterwards', async () => {
      const first = await Step.push({ name: '0' });
      await first.fail(new Error('disk full'));

      const second = await Step.push({ name: '1', after: first._id });
      const third = await Step.push({ name: '2', after: second._id });

      expect(third.failures).toMatchObject([{ cause: { model: 'Step', id: first._id, message: 'disk full' } }]);
    });

    it('is queued again, link by link, when the first is pushed again', async () => {
      await pushChain();
      const first = (await Step.pop())!;
      await first.fail();
      await popNothing(Step, 3);

      await first.push();

      const popped: unknown[] = [];
      for (let step = await Step.pop(); step; step = await Step.pop()) {
        popped.push(step.name);
        await step.finish();
      }
      expect(popped).toEqual(['0', '1', '2', '3']);
      expect(await states()).toEqual(['FINISHED', 'FINISHED', 'FINISHED', 'FINISHED']);
    });

    it('is queued again as a whole while the first has still to run', async () => {
      await pushChain();
      const first = (await Step.pop())!;
      await first.fail();
      await popNothing(Step, 3);

      await rawUpdate(Step, first._id, { $set: { state: 'PENDING' } });
      await popNothing(Step, 3);

      expect(await states()).toEqual(['PENDING', 'CREATED', 'CREATED', 'CREATED']);
    });

    it('names itself as the cause when it failed by itself', async () => {
      const [first, second] = await pushChain();
      await first!.finish();
      await second!.fail(new Error('no space'));

      await popNothing(Step, 2);

      const [failure] = (await Step.findOne({ name: '3' }))!.failures;
      expect(failure!.cause).toEqual({ model: 'Step', id: second!._id, message: 'no space' });
    });
  });
});
