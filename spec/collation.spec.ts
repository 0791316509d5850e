import { Schema, type Connection } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { useDatabase } from './support/database';
import { knowsSimpleCollation } from './support/on-mongoose9';
import { nativeOf } from './support/raw';

const collation = { locale: 'en', strength: 2 } as const;

/** What may make the indexes, or the collection, first. */
const ways: Record<
  string,
  (Model: { init(): unknown; syncIndexes(): unknown; createCollection(): unknown }) => unknown
> = {
  'pop()': () => {},
  'Model.init()': (Model) => Model.init(),
  'syncIndexes()': (Model) => Model.syncIndexes(),
  'createCollection()': (Model) => Model.createCollection(),
};

describe.each([true, false])('the indexes of a schema with a collation (autoCreate: %s)', (autoCreate) => {
  const database = useDatabase();
  let made = 0;

  const makeModels = (connection: Connection) => {
    made += 1;
    const Part = connection.model(
      `Part${made}`,
      new Schema({ name: String, status: String }, { collation, autoCreate }),
    );
    const dependsOn = { type: 'DIRECT', when: { status: 'done' } };
    const Job = connection.model(
      `Job${made}`,
      taskQueue(
        new Schema(
          { name: String, part: { type: Schema.Types.ObjectId, ref: `Part${made}`, dependsOn } },
          { collation, autoCreate },
        ),
      ),
    );
    return { Part, Job };
  };

  it.each(Object.keys(ways).flatMap((first) => [true, false].map((pushes) => [first, pushes] as const)))(
    'serve the queue whoever makes them first: %s, after a push: %s',
    async (first, pushes) => {
      const { Part, Job } = makeModels(database.connection);
      const part = await Part.create({ status: 'new' });
      if (pushes) await Job.push({ name: 'Ada', part: part._id });
      for (const Model of [Job, Part]) await ways[first]!(Model);
      if (!pushes) await Job.push({ name: 'Ada', part: part._id });
      expect(await Job.pop()).toBeNull();
      await Promise.all([Job.init(), Part.init()]);
      part.status = 'done';
      await part.save();

      await (await Job.pop())!.finish();
      await Job.ensureTaskIndexes();

      expect(await Job.stats()).toMatchObject({ created: 0, running: 0 });
    },
  );

  // Else `syncIndexes()` builds every index anew that is told to be simple where the schema is not, with or without the plugin.
  const collated = knowsSimpleCollation ? [true, false] : [true];
  it.each(collated)('are kept by syncIndexes() (a collection of that collation: %s)', async (isCollated) => {
    for (const name of [`part${made + 1}`, `job${made + 1}`])
      await database.connection.createCollection(name, isCollated ? { collation } : {});
    const { Part, Job } = makeModels(database.connection);
    await Promise.all([Job.init(), Part.init()]);
    await Job.ensureTaskIndexes();
    const before = await Promise.all([Job, Part].map((Model) => nativeOf(Model).indexes()));
    expect(before[1]!.some(({ name }) => name!.startsWith('task_outbox_'))).toBe(true);

    const dropped = [...(await Job.syncIndexes()), ...(await Part.syncIndexes())];

    expect(dropped).toEqual([]);
    expect(await Promise.all([Job, Part].map((Model) => nativeOf(Model).indexes()))).toEqual(before);
  });
});
