import { Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { useDatabase } from '../support/database';
import { nativeOf, stored } from '../support/raw';

const { ObjectId } = Schema.Types;

describe('populate', () => {
  const database = useDatabase();
  const makeModels = () => {
    const { connection } = database;
    const Source = connection.model('Source', taskQueue(new Schema({ name: String, size: Number })));
    const reference = { type: ObjectId, ref: 'Source' };
    const Report = connection.model(
      'Report',
      taskQueue(
        new Schema({
          name: String,
          source: { ...reference, dependsOn: 'DIRECT' },
          parts: { type: [reference], dependsOn: 'ALL_OF' },
        }),
      ),
    );
    return { Source, Report };
  };
  type Models = ReturnType<typeof makeModels>;
  type Populated = { source: InstanceType<Models['Source']>; parts: InstanceType<Models['Source']>[] };
  let Source: Models['Source'];
  let Report: Models['Report'];

  beforeAll(async () => {
    ({ Source, Report } = makeModels());
    await Report.pop();
  });

  beforeEach(async () => {
    await Promise.all([nativeOf(Source).deleteMany({}), nativeOf(Report).deleteMany({})]);
  });

  /** A report that had to wait for its source and its part. */
  const ready = async () => {
    const [source, part] = await Source.push([
      { name: 'source', size: 1 },
      { name: 'part', size: 2 },
    ]);
    const report = await Report.push({ source: source!._id, parts: [part!._id] });
    expect(await report.blockedBy()).toHaveLength(2);
    for (const dependency of [source!, part!]) await dependency.finish();
    return report;
  };
  const namesIn = (task: unknown) => {
    const { source, parts } = task as Populated;
    return [source.name, ...parts.map(({ name }) => name)];
  };

  it('gives the handler its finished dependencies, by `pop()`', async () => {
    await ready();

    const task = (await Report.pop({ populate: ['source', 'parts'] }))!;

    expect(namesIn(task)).toEqual(['source', 'part']);
    expect((task as unknown as Populated).source.state).toBe('FINISHED');
  });

  it('does so for each task of `popMany()`', async () => {
    await ready();
    await ready();

    const tasks = await Report.popMany(5, { populate: ['source', 'parts'] });

    expect(tasks.map(namesIn)).toEqual([
      ['source', 'part'],
      ['source', 'part'],
    ]);
  });

  it('does so in a queue', async () => {
    await ready();
    const seen: unknown[] = [];

    for await (const task of Report.queue({ populate: ['source', 'parts'] })) {
      seen.push(namesIn(task));
      await task.finish();
      break;
    }

    expect(seen).toEqual([['source', 'part']]);
  });

  it("takes Mongoose's options", async () => {
    await ready();

    const task = (await Report.pop({ populate: { path: 'source', select: 'name' } })) as unknown as Populated;

    expect(task.source.name).toBe('source');
    expect(task.source.size).toBeUndefined();
  });

  it('leaves the task unchanged, and no bookkeeping in what it brings', async () => {
    await ready();

    const task = (await Report.pop({ populate: 'source' }))!;

    expect(task.isModified()).toBe(false);
    expect(JSON.stringify(task)).not.toContain('_task');
    await task.set('name', 'done').finish();
    const { source } = await stored(Report, task._id);
    expect(source).toEqual((task as unknown as Populated).source._id);
  });

  describe('that fails', () => {
    const failing = { populate: { path: 'source', model: 'Nobody' } };

    it.each(['pop', 'popMany'] as const)('rejects and gives the task back, by `%s()`', async (verb) => {
      const report = await ready();
      await expect(verb === 'pop' ? Report.pop(failing) : Report.popMany(5, failing)).rejects.toThrow(
        "Schema hasn't been registered",
      );

      const task = (await Report.pop())!;

      expect([task.id, task.attempts, task.lease!.fence]).toEqual([report.id, 1, 2]);
    });

    it('is reported by a queue, which goes on', async () => {
      const report = await ready();
      const ending = new AbortController();
      const errors: unknown[] = [];
      const onError = (error: unknown) => {
        errors.push(error);
        if (errors.length === 2) ending.abort();
      };
      const queue = Report.queue({ ...failing, onError, pollMs: 1, signal: ending.signal });

      expect((await queue.next()).done).toBe(true);

      expect(errors).toHaveLength(2);
      expect((await Report.pop())?.id).toBe(report.id);
    });
  });

  it.each([5, true, null])('refuses %p', async (populate) => {
    await expect(Report.pop({ populate: populate as never })).rejects.toThrow("`populate: 'source'`");
  });
});
