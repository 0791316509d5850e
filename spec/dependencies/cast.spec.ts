import { mongo, Schema, Types, type Connection } from 'mongoose';
import { taskQueue, type DependencyPolicy } from 'mongoose-task-queue';
import { castReference } from '../../lib/dependencies/cast';
import { popSoon } from '../support/pop-soon';
import { useDatabase } from '../support/database';
import { isMongoose8 } from '../support/on-mongoose9';
import { nativeOf, stored } from '../support/raw';

const { Mixed, ObjectId } = Schema.Types;

describe('a reference that the task keeps as another type than the document its id', () => {
  const database = useDatabase();

  const makeModels = (connection: Connection, type: unknown, name: string) => {
    const reference = { type, ref: 'Source' } as { type: typeof Mixed; ref: string };
    const schema = new Schema({
      n: Number,
      kind: String,
      source: { ...reference, dependsOn: 'DIRECT' },
      parts: { type: [reference], dependsOn: 'ALL_OF' },
      mirrors: { type: [reference], dependsOn: { type: 'ANY_OF', onFailed: 'fail' } },
      subject: { type, refPath: 'kind', dependsOn: 'DIRECT' } as object,
    });

    return connection.model(name, taskQueue(schema));
  };
  const makeSource = (connection: Connection) => connection.model('Source', taskQueue(new Schema({ name: String })));
  let Source: ReturnType<typeof makeSource>;
  let models: Record<string, ReturnType<typeof makeModels>>;

  beforeAll(async () => {
    Source = makeSource(database.connection);
    models = {
      text: makeModels(database.connection, String, 'OfText'),
      mixed: makeModels(database.connection, Mixed, 'OfMixed'),
    };
    for (const Model of Object.values(models)) await Model.pop();
  });

  beforeEach(async () => {
    for (const Model of [Source, ...Object.values(models)]) await nativeOf(Model).deleteMany({});
  });

  const shapes = ['text', 'mixed'].flatMap((kept) =>
    (['source', 'parts', 'mirrors', 'subject'] as const).map((path) => ({ kept, path })),
  );

  describe.each(shapes)('$kept, by `$path`', ({ kept, path }) => {
    const inputOf = (id: unknown): object =>
      path === 'subject' ? { kind: 'Source', subject: id } : { [path]: path === 'source' ? id : [id] };

    it('waits for the document that `populate()` finds, and no longer', async () => {
      const Task = models[kept]!;
      const source = await Source.push({ name: 'a' });
      const { _id } = await Task.push(inputOf(source.id) as never);
      expect(await Task.pop()).toBeNull();
      const found = (await Task.findById(_id).populate(path))!.get(path) as { name: string } | { name: string }[];
      expect([found].flat()).toMatchObject([{ name: 'a' }]);

      await source.finish();

      expect((await popSoon(Task))._id).toEqual(_id);
    });

    it('says so', async () => {
      const Task = models[kept]!;
      const source = await Source.push({ name: 'a' });
      const task = await Task.push(inputOf(source.id) as never);

      expect(await task.blockedBy()).toMatchObject([
        { path, documents: [{ model: 'Source', id: source._id, standing: 'unmet', values: { state: 'CREATED' } }] },
      ]);
    });

    it('is passed over by a pop that finds what is ready behind many, whoever inserted them', async () => {
      const Task = models[kept]!;
      const source = await Source.push({ name: 'a' });
      const raw = Array.from({ length: 600 }, () => ({ state: 'CREATED', priority: 2, ...inputOf(source.id) }));
      await nativeOf(Task).insertMany(raw);
      const ready = await Task.push({ n: 1 });

      expect((await popSoon(Task))._id).toEqual(ready._id);
      await source.finish();
      const popped = [...(await Task.popMany(600)), ...(await Task.popMany(600))];
      expect(popped).toHaveLength(600);
    });

    it('is missing when there is no such document, or can be none', async () => {
      const Task = models[kept]!;
      const tasks = await Task.push([inputOf(String(new Types.ObjectId())), inputOf('none')] as never[]);

      expect(await Task.popMany(5)).toEqual([]);
      for (const task of tasks as unknown as (typeof Task.prototype)[])
        expect(await task.blockedBy()).toMatchObject([{ path, documents: [{ standing: 'missing', values: null }] }]);
    });
  });

  it('is not missing when the document is pushed together with it', async () => {
    const Step = database.connection.model(
      'Step',
      taskQueue(new Schema({ after: { type: Mixed, ref: 'Step', dependsOn: { type: 'DIRECT', onMissing: 'fail' } } })),
    );
    const _id = new Types.ObjectId();
    await Step.push([{ after: String(_id) }, { _id }] as never[]);

    const first = (await Step.pop())!;
    expect([first._id, await Step.pop()]).toEqual([_id, null]);
    await first.finish();
    expect((await Step.pop())?.get('after')).toBe(String(_id));
  });

  it('is judged by what it was changed to', async () => {
    const Task = models['text']!;
    const [one, other] = await Source.push([{ name: 'a' }, { name: 'b' }]);
    const task = await Task.push({ source: one!.id } as never);
    task.set('source', other!.id);
    await task.save();
    await other!.finish();

    expect((await popSoon(Task))._id).toEqual(task._id);
  });
});

describe('a reference of which no id can be made', () => {
  const database = useDatabase();
  const HOSTILE = [
    { $ne: null },
    { $gt: '' },
    { $in: [] },
    [{ $ne: null }],
    [[{ $exists: true }]],
    { _id: { $ne: null } },
    /./,
    new mongo.BSONRegExp('.'),
    { a: { $ne: 1 } },
    'x'.repeat(10_000),
  ];
  const outcomes: Record<DependencyPolicy, string> = { wait: 'CREATED', fail: 'FAILED', ignore: 'RUNNING' };
  let count = 0;

  const makeModels = (idType: unknown, onMissing: DependencyPolicy) => {
    const name = `Source${++count}`;
    const Source = database.connection.model(name, taskQueue(new Schema({ _id: idType as never, n: Number })));
    const reference = { type: Mixed, ref: name };
    const schema = new Schema({
      n: Number,
      source: { ...reference, dependsOn: { type: 'DIRECT', onMissing } },
      parts: { type: [reference], dependsOn: { type: 'ALL_OF', onMissing } },
      mirrors: { type: [reference], dependsOn: { type: 'ANY_OF', onMissing } },
    });
    return { Source, Task: database.connection.model(`Task${count}`, taskQueue(schema)) };
  };

  const idTypes: [string, unknown, unknown][] = [
    ['ObjectIds', ObjectId, new Types.ObjectId()],
    ['texts', String, 'a'],
    ['anything', Mixed, 'a'],
  ];

  describe.each(idTypes)('of documents with %s', (_name, type, id) => {
    it.each(['wait', 'fail', 'ignore'] as const)('is missing, and stops no other task: %s', async (onMissing) => {
      const { Source, Task } = makeModels(type, onMissing);
      await Source.push({ _id: id } as never);
      await (await Source.pop())!.finish();
      await Task.ensureTaskIndexes();
      const ids: unknown[] = [];
      const inputs = HOSTILE.flatMap((one) => [{ source: one }, { parts: [one] }, { mirrors: [one, one] }]);
      for (const input of inputs) {
        const { insertedId } = await nativeOf(Task).insertOne({ n: 0, state: 'CREATED', priority: 2, ...input });
        ids.push(insertedId);
        // What the server does not store at all is no task.
        const pushed = await Task.push(input as never).catch(() => null);
        if (pushed) ids.push(pushed._id);
      }
      const ready = await Task.push([{ source: id }, { parts: [id] }, { mirrors: [id] }] as never[]);

      const popped = (await Task.popMany(200)).map((one) => String(one._id));

      expect(popped).toEqual(expect.arrayContaining(ready.map((one) => String(one._id))));
      for (const one of ids) expect(await stored(Task, one)).toMatchObject({ state: outcomes[onMissing] });
      expect(await Task.popMany(10)).toEqual([]);
      await Task.blocked();
    });
  });
});

describe('an id as its model has it', () => {
  const database = useDatabase();
  const uuid = '0dc27ed8-2fdc-4b1f-9b1f-1f5d0b6f5a51';
  const objectId = new Types.ObjectId();
  const big = mongo.Long.fromString('9007199254740993');
  let count = 0;
  const nameOfKind = () => `Kind${++count}`;

  const kinds: [string, unknown, unknown, unknown][] = [
    ['an ObjectId', ObjectId, objectId, objectId.toHexString()],
    ['a text, for an ObjectId', String, objectId.toHexString(), objectId],
    ['a text, for a number', String, '5', 5],
    ['a text that a setter changes', { type: String, lowercase: true, trim: true }, 'abc', ' ABC'],
    ['a number', Number, 5, '5'],
    ['a number of 64 bits', Number, big, big],
    ['a date', Date, new Date(0), '1970-01-01T00:00:00.000Z'],
    ['bytes', Buffer, Buffer.from('abc'), 'abc'],
    ['a UUID', Schema.Types.UUID, uuid, uuid],
    ['a bigint', Schema.Types.BigInt, 9_007_199_254_740_993n, '9007199254740993'],
    ['a decimal', Schema.Types.Decimal128, '1.5', '1.5'],
    ['a double', Schema.Types.Double, 1.5, '1.5'],
    ['an Int32', Schema.Types.Int32, 5, '5'],
    ['a sub-document', new Schema({ a: Number }, { _id: false }), { a: 1 }, { a: '1' }],
    ['anything', Mixed, 'abc', 'abc'],
  ];

  // Tasks with such ids are refused beside Mongoose 8.
  const possible = kinds.filter(([name]) => !isMongoose8 || name !== 'a UUID');

  it.each(possible)('is %s', async (_name, type, id, reference) => {
    const name = nameOfKind();
    const Source = database.connection.model(name, taskQueue(new Schema({ _id: type as never })));
    const schema = new Schema({ source: { type: Mixed, ref: name, dependsOn: 'DIRECT' } });
    const Task = database.connection.model(`Task${name}`, taskQueue(schema));
    if (id === big) await nativeOf(Source).insertOne({ _id: id, state: 'CREATED' });
    else await Source.push({ _id: id } as never);
    const task = await Task.push({ source: reference } as never);
    expect(await Task.pop()).toBeNull();
    expect(await task.blockedBy()).toMatchObject([{ documents: [{ standing: 'unmet' }] }]);

    await nativeOf(Source).updateMany({}, { $set: { state: 'FINISHED' } });

    expect((await popSoon(Task))._id).toEqual(task._id);
  });

  it('is a text that shows it where it can be none, of bounded length', () => {
    const Source = database.connection.model('Shown', new Schema({ name: String }));
    const reference = castReference(Source as never, { $ne: 'x'.repeat(1_000) });

    expect(reference).toMatchObject({ isId: false, id: expect.stringMatching(/^\{ '\$ne': 'xxx/) as string });
    expect((reference.id as string).length).toBeLessThanOrEqual(100);
  });
});
