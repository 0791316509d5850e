import { Schema } from 'mongoose';
import { State, taskQueue } from 'mongoose-task-queue';
import { popSoon } from '../support/pop-soon';
import { useDatabase } from '../support/database';
import { nativeOf, stored } from '../support/raw';

describe('a task that depends on one which is cancelled or queued again', () => {
  const database = useDatabase();
  const make = () => {
    const source = { type: Schema.Types.ObjectId, ref: 'Source' };
    const next = { type: Schema.Types.ObjectId, ref: 'Report' };
    const onFailed = { type: 'DIRECT', onFailed: 'fail' } as const;
    const cleanUp = { source: { type: 'DIRECT', when: { state: State.CANCELLED } } } as const;
    const { connection } = database;

    return {
      Source: connection.model('Source', taskQueue(new Schema({ name: String }))),
      Report: connection.model(
        'Report',
        taskQueue(new Schema({ source, next }), { dependencies: { source: onFailed, next: onFailed } }),
      ),
      CleanUp: connection.model('CleanUp', taskQueue(new Schema({ source }), { dependencies: cleanUp })),
    };
  };
  let Source: ReturnType<typeof make>['Source'];
  let Report: ReturnType<typeof make>['Report'];
  let CleanUp: ReturnType<typeof make>['CleanUp'];

  beforeAll(async () => {
    ({ Source, Report, CleanUp } = make());
    for (const Model of [Source, Report, CleanUp]) await Model.ensureTaskIndexes();
  });
  beforeEach(async () => {
    for (const Model of [Source, Report, CleanUp]) await nativeOf(Model).deleteMany({});
  });

  const stateOf = async (Model: typeof Report | typeof CleanUp, _id: unknown) => (await stored(Model, _id)).state;

  describe.each(['fail', 'cancel'] as const)('by `%s()`', (verb) => {
    it('is failed, and comes back when its dependency is requeued', async () => {
      const source = await Source.push({});
      const report = await Report.push({ source: source._id });
      await source[verb]();
      expect(await Report.pop()).toBeNull();
      expect(await stateOf(Report, report._id)).toBe(State.FAILED);

      expect(await Source.requeue({})).toEqual({ requeued: 1, skipped: 0 });

      expect(await Report.pop()).toBeNull();
      expect(await stateOf(Report, report._id)).toBe(State.CREATED);
      await (await Source.pop())!.finish();
      expect((await popSoon(Report)).id).toBe(report.id);
    });

    it('comes back with all that failed because of it', async () => {
      const source = await Source.push({});
      const first = await Report.push({ source: source._id });
      const second = await Report.push({ next: first._id });
      await source[verb]();
      expect(await Report.pop()).toBeNull();
      expect(await Report.pop()).toBeNull();
      expect(await stateOf(Report, second._id)).toBe(State.FAILED);

      await Source.requeue({});
      await (await Source.pop())!.finish();

      const popped = (await Report.pop())!;
      expect(popped.id).toBe(first.id);
      await popped.finish();
      expect((await popSoon(Report)).id).toBe(second.id);
    });

    it('is failed anew when its dependency ends so again', async () => {
      const source = await Source.push({});
      const report = await Report.push({ source: source._id });
      await source[verb]();
      expect(await Report.pop()).toBeNull();
      await Source.requeue({});
      expect(await Report.pop()).toBeNull();

      await (await Source.findById(source._id))![verb]();

      expect(await Report.pop()).toBeNull();
      expect(await stateOf(Report, report._id)).toBe(State.FAILED);
      expect((await Report.findById(report._id))!.failures).toHaveLength(2);
    });
  });

  describe('with `when: { state: CANCELLED }`', () => {
    it('starts once that one is cancelled, held or not', async () => {
      const [held, waiting] = await Source.push([{}, {}]);
      const cleanUps = await CleanUp.push([{ source: held!._id }, { source: waiting!._id }]);
      const popped = (await Source.pop())!;
      expect(popped.id).toBe(held!.id);
      expect(await CleanUp.pop()).toBeNull();

      await Source.cancel({});

      expect((await popSoon(CleanUp)).id).toBe(cleanUps[1]!.id);
      expect(await CleanUp.pop()).toBeNull();
      await popped.retry({ delayMs: 0 });
      expect((await popSoon(CleanUp)).id).toBe(cleanUps[0]!.id);
    });

    it('starts at once when it is pushed later', async () => {
      const source = await Source.push({});
      await source.cancel();

      const cleanUp = await CleanUp.push({ source: source._id });

      expect((await popSoon(CleanUp)).id).toBe(cleanUp.id);
    });

    it.each(['finish', 'fail'] as const)('waits on after `%s()`, also of a requeued one', async (verb) => {
      const source = await Source.push({});
      const cleanUp = await CleanUp.push({ source: source._id });
      await source[verb]();
      expect(await CleanUp.pop()).toBeNull();

      await source.push();
      expect(await CleanUp.pop()).toBeNull();
      await source.cancel();

      expect((await popSoon(CleanUp)).id).toBe(cleanUp.id);
    });

    it('waits where that one is requeued before it was claimed', async () => {
      const source = await Source.push({});
      const cleanUp = await CleanUp.push({ source: source._id });
      await source.cancel();
      await Source.requeue({});

      expect(await CleanUp.pop()).toBeNull();

      expect(await stateOf(CleanUp, cleanUp._id)).toBe(State.CREATED);
      await (await Source.pop())!.cancel();
      expect(await CleanUp.pop()).toBeNull();
    });
  });
});
