import { mongo, Schema, type Connection, type HydratedDocument, Types } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { useDatabase } from '../support/database';
import fc, { propertyRuns } from '../support/property';
import { nativeOf } from '../support/raw';
import { seen } from '../support/seen';

/** A number for an id: the elements of both documents get the same ones. */
const id = (number: number) => new Types.ObjectId(number.toString(16).padStart(24, '0'));

interface Fields {
  text?: string | null;
  count?: number | null;
  at?: Date | null;
  bytes?: Buffer | null;
  any?: unknown;
  tags: string[];
  parts: { _id: Types.ObjectId; name?: string; sizes: number[] }[];
  nested?: { a?: number | null; b?: { c?: string | null } };
  sub?: { x?: number | null; list: number[] } | null;
  map?: Map<string, string>;
  subs?: Map<string, { x?: number }>;
  needed?: string | null;
}

type Task = HydratedDocument<Fields>;

const fields = () => ({
  text: { type: String, lowercase: true },
  count: { type: Number, min: 0 },
  at: Date,
  bytes: Buffer,
  any: {},
  tags: [String],
  parts: [new Schema({ name: { type: String, maxlength: 5 }, sizes: [Number] }, { timestamps: false })],
  nested: { a: Number, b: { c: String } },
  sub: new Schema({ x: { type: Number, default: 7 }, list: [Number] }, { _id: false }),
  map: { type: Map, of: String },
  subs: { type: Map, of: new Schema({ x: Number }, { _id: false }) },
  needed: { type: String, required: true },
  usual: { type: String, default: 'as usual' },
});

const clock = () => new Date('2020-02-02T02:02:02Z');

/** Schemas, by what they ask of a save. */
const SCHEMAS: Record<string, () => Schema> = {
  plain: () => new Schema(fields()),
  timestamps: () => new Schema(fields(), { timestamps: { currentTime: clock } }),
  'optimistic concurrency': () => new Schema(fields(), { optimisticConcurrency: true }),
  'optimistic concurrency of some paths': () => new Schema(fields(), { optimisticConcurrency: ['tags', 'count'] }),
  'no version': () => new Schema(fields(), { versionKey: false }),
  'another version key': () => new Schema(fields(), { versionKey: 'edition' }),
  'empty objects': () => new Schema(fields(), { minimize: false }),
  'unknown paths': () => new Schema(fields(), { strict: false }),
  'no unknown paths': () => new Schema(fields(), { strict: 'throw' }),
  'no validation': () => new Schema(fields(), { validateBeforeSave: false }),
  hooks() {
    const schema = new Schema(fields(), { timestamps: { currentTime: clock, updatedAt: 'changedAt' } });
    schema.pre('validate', function (this: Task) {
      if (this.count === 13) this.text = 'by a hook before the validation';
    });
    schema.pre('save', function (this: Task) {
      if (this.isModified('tags')) this.nested = { a: this.tags.length };
    });
    schema.post('save', function (this: Task) {
      this.$locals['saved'] = Number(this.$locals['saved'] ?? 0) + 1;
    });
    return schema;
  },
};

const CHANGES: Record<string, (task: Task) => unknown> = {
  'a text': (task) => (task.text = 'Ada'),
  'no text': (task) => (task.text = undefined as never),
  'a null': (task) => (task.text = null),
  'a number': (task) => (task.count = 13),
  'a sum': (task) => task.$inc('count', 2),
  'a number that is too small': (task) => (task.count = -1),
  'no number': (task) => task.set('count', 'none'),
  'a date': (task) => (task.at = new Date('2021-01-01')),
  'a date in place': (task) => (task.at?.setFullYear(1999), task.markModified('at')),
  bytes: (task) => (task.bytes = Buffer.from('abc')),
  'bytes in place': (task) => task.bytes?.write('z'),
  anything: (task) => (task.any = { deep: [{ er: 1 }], none: {} }),
  'anything in place': (task) => (
    (task.any as { x?: number } | undefined) && ((task.any as { x?: number }).x = 4),
    task.markModified('any')
  ),
  nothing: (task) => (task.any = {}),
  'an element': (task) => task.tags.push('new'),
  'elements in front': (task) => task.tags.unshift('front', 'end'),
  'one element less': (task) => (task.tags as unknown as { pull(tag: string): void }).pull('a'),
  'an element if it is new': (task) => (task.tags as unknown as { addToSet(tag: string): void }).addToSet('a'),
  'an element by its place': (task) => task.set('tags.0', 'zero'),
  'no first element': (task) => task.tags.shift(),
  'no last element': (task) => (task.tags as unknown as { $pop(): void }).$pop(),
  'other elements': (task) => (task.tags = ['x', 'y']),
  'sorted elements': (task) => task.tags.sort(),
  'no elements': (task) => (task.tags = []),
  'a part': (task) => task.parts.push({ _id: id(9), name: 'nine', sizes: [1] }),
  'a part with a long name': (task) => task.parts.push({ _id: id(8), name: 'too long a name', sizes: [] }),
  'the name of a part': (task) => task.parts[0] && (task.parts[0].name = 'other'),
  'a size of a part': (task) => task.parts[0]?.sizes.push(3),
  'no part': (task) => task.parts.splice(0, 1),
  'a nested value': (task) => task.set('nested.b.c', 'c'),
  'an empty nested object': (task) => task.set('nested.b', {}),
  'a value of a sub-document': (task) => task.sub && (task.sub.x = 8),
  'an element of a sub-document': (task) => task.sub?.list.push(5),
  'another sub-document': (task) => (task.sub = { list: [4] } as never),
  'no sub-document': (task) => (task.sub = undefined as never),
  'a key of a map': (task) => task.map?.set('k', 'v'),
  'no key of a map': (task) => task.map?.delete('old'),
  'another map': (task) => (task.map = new Map([['only', 'one']])),
  'a sub-document of a map': (task) => task.subs?.set('s', { x: 2 }),
  'a value in a map': (task) => task.set('subs.old.x', 5),
  'nothing that is needed': (task) => (task.needed = undefined as never),
  'a mark only': (task) => task.markModified('text'),
  'a count of the version': (task) => task.increment(),
  'a change and back': (task) => ((task.text = 'x'), task.unmarkModified('text')),
  'an unknown path': (task) => {
    try {
      task.set('unknown', 1);
    } catch {
      // `strict: 'throw'`
    }
  },
};

const VERBS: Record<string, (task: any, options: object) => Promise<unknown>> = {
  finish: (task, options) => task.finish(options),
  fail: (task, options) => task.fail(undefined, options),
  retry: (task, options) => task.retry({ delayMs: 5, ...options }),
  release: (task, options) => task.release(options),
};

const STORED: Record<string, () => object> = {
  full: () => ({
    text: 'first',
    count: 1,
    at: new Date('2020-01-01'),
    bytes: Buffer.from('before'),
    any: { x: 1 },
    tags: ['a', 'b', 'a'],
    parts: [
      { _id: id(1), name: 'one', sizes: [1, 2] },
      { _id: id(2), sizes: [] },
    ],
    nested: { a: 1, b: { c: 'd' } },
    sub: { x: 1, list: [1] },
    map: { old: 'o' },
    subs: { old: { x: 1 } },
  }),
  empty: () => ({}),
};

describe('what ends in the same moment with changed fields', () => {
  const database = useDatabase();
  let connection: Connection;
  const models: Record<string, any> = {};

  beforeAll(() => {
    ({ connection } = database);
    for (const [name, make] of Object.entries(SCHEMAS))
      models[name] = connection.model(name, taskQueue(make(), { backoff: () => 5 }));
  });

  const held = async (schema: string, full: string, count: number): Promise<Task[]> => {
    const Model = models[schema];
    await Model.deleteMany({});
    await Model.push(Array.from({ length: count }, () => ({ needed: 'yes', ...STORED[full]!() })));
    return Model.popMany(count);
  };

  // By way of BSON, which has no documents of Mongoose.
  const plain = (value: unknown): object =>
    mongo.BSON.deserialize(mongo.BSON.serialize({ value }), { promoteValues: false });

  /** As the driver reads it, with the types and the order of the fields, but without what is new each time. */
  const normal = (value: unknown): unknown =>
    JSON.parse(mongo.BSON.EJSON.stringify(plain(value), { relaxed: false }), (name, one: unknown) => {
      const date = (one as { $date?: { $numberLong: string } } | null)?.$date;
      if (date && Number(date.$numberLong) > 1_700_000_000_000) return 'now';
      if (name === 'token' || name === '_id')
        return String((one as { $oid?: string }).$oid).startsWith('0000') ? one : 'an id';
      return one;
    });

  // What Mongoose keeps of the document's changes: another save would follow from it.
  const tracked = (document: any): unknown => ({
    modified: document.directModifiedPaths(),
    all: document.modifiedPaths(),
    changes: (document.$getChanges ?? document.getChanges).call(document),
    active: Object.fromEntries(
      Object.entries(document.$__.activePaths.states).map(([state, paths]) => [
        state,
        Object.keys(paths ?? {})
          .filter((path) => !path.startsWith('_task'))
          .sort(),
      ]),
    ),
    savedState: document.$__.savedState ?? {},
    version: document.$__.version,
    validationError: document.$__.validationError?.name,
    errors: Object.keys(document.$errors ?? {}),
    isNew: document.$isNew,
    locals: document.$locals,
    where: document.$where,
    own: Object.keys(document).sort(),
    symbols: Object.getOwnPropertySymbols(document).map(String).sort(),
    subdocuments: document.$getAllSubdocs().map((one: any) => [one.$isNew, one.directModifiedPaths()]),
  });

  const told = async (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => 'done',
      (error: Error) => `${error.name}: ${error.message.replaceAll(/[0-9a-f]{24}/g, 'an id')}`,
    );

  const facts = async (schema: string, task: Task): Promise<unknown> => ({
    // A text, in which the order of the fields shows.
    stored: JSON.stringify(normal((await nativeOf(models[schema]).findOne({ _id: task._id }))!)),
    here: normal({ ...seen(task)!, ...task.toObject({ flattenMaps: true }), id: null }),
    tracked: normal(tracked(task)),
  });

  const program = fc.record({
    schema: fc.constantFrom(...Object.keys(SCHEMAS)),
    full: fc.constantFrom(...Object.keys(STORED)),
    tasks: fc.array(
      fc.record({
        verb: fc.constantFrom(...Object.keys(VERBS)),
        before: fc.array(fc.constantFrom(...Object.keys(CHANGES)), { minLength: 1, maxLength: 4 }),
        after: fc.array(fc.constantFrom(...Object.keys(CHANGES)), { maxLength: 2 }),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  });
  type Program = typeof program extends fc.Arbitrary<infer One> ? One : never;

  /** Runs a program; `options` are those of each settle. Returns what it led to, after the settle and after a later save. */
  const outcomes = async ({ schema, full, tasks }: Program, options: object): Promise<unknown> => {
    const documents = await held(schema, full, tasks.length);
    const ended = await Promise.all(
      tasks.map(async ({ verb, before }, index) => {
        const task = documents[index]!;
        for (const name of before) CHANGES[name]!(task);
        return told(VERBS[verb]!(task, options));
      }),
    );
    // Mongoose keeps the session of a save, which the later one is not to have.
    for (const task of documents) task.$session(null);
    const first = await Promise.all(documents.map((task) => facts(schema, task)));
    const saved: unknown[] = [];
    for (const [index, task] of documents.entries()) {
      for (const name of tasks[index]!.after) CHANGES[name]!(task);
      saved.push(await told(task.save()));
    }

    return { ended, first, saved, last: await Promise.all(documents.map((task) => facts(schema, task))) };
  };

  it('is stored, and leaves its document, as if each had been saved by itself', async () => {
    const session = await connection.startSession();
    await fc.assert(
      fc.asyncProperty(program, async (one) => {
        // With a session each is a save of its own.
        const alone = await outcomes(one, { session });
        expect(await outcomes(one, {})).toEqual(alone);
      }),
      { numRuns: propertyRuns(20) },
    );
    await session.endSession();
  });

  it.each(Object.keys(CHANGES))('is so where all have %s', async (change) => {
    const session = await connection.startSession();
    for (const verb of Object.keys(VERBS)) {
      const tasks = [1, 2, 3].map(() => ({ verb, before: [change], after: [] }));
      const one = { schema: 'plain', full: 'full', tasks };
      expect(await outcomes(one, {})).toEqual(await outcomes(one, { session }));
    }
    await session.endSession();
  });

  it('has its new fields in the same order where they were not set by their names', async () => {
    const session = await connection.startSession();
    const tasks = [1, 2, 3].map(() => ({
      verb: 'finish',
      before: ['a text', 'a number', 'anything', 'a date'],
      after: [],
    }));
    const one = { schema: 'plain', full: 'empty', tasks };
    expect(await outcomes(one, {})).toEqual(await outcomes(one, { session }));
    await session.endSession();
  });

  it.each(Object.keys(CHANGES))('is so with %s', async (change) => {
    const session = await connection.startSession();
    for (const full of Object.keys(STORED)) {
      const tasks = Object.keys(VERBS).map((verb) => ({ verb, before: [change], after: [change] }));
      const one = { schema: 'timestamps', full, tasks };
      expect(await outcomes(one, {})).toEqual(await outcomes(one, { session }));
    }
    await session.endSession();
  });
});
