import fc, { propertyRuns } from './support/property';
import { mongo, Schema, Types, type Connection } from 'mongoose';
import { constant, DependencyType, taskQueue, Worker } from 'mongoose-task-queue';
import { monitoredConnection, type MonitoredConnection } from './support/commands';
import { useDatabase } from './support/database';
import {
  AGAIN,
  BSONTYPE,
  FAR_DATE,
  foreignBytes,
  foreignProgram,
  NO_PATTERN,
  NO_TEXT,
  type ForeignProgram,
} from './support/foreign-bytes';
import { nativeOf } from './support/raw';

const RUNS = propertyRuns(200);

const GOOD = 20;
const MAX_SIZE = 16_777_216;
/** Of a case, with all its looks: one that spins sends thousands. */
const MAX_COMMANDS = 600;

const { DIRECT, ALL_OF, ANY_OF } = DependencyType;

const fields = {
  n: Number,
  when: Date,
  text: { type: String, lowercase: true },
  list: [Number],
  grid: [[String]],
  sub: new Schema({ x: Number, y: { type: Buffer } }),
  subs: [new Schema({ x: Number })],
  map: { type: Map, of: Number },
  nested: { a: Schema.Types.Decimal128 },
  id: Schema.Types.ObjectId,
  any: {},
};
const references = {
  one: { type: Schema.Types.ObjectId, ref: 'Source', dependsOn: { type: DIRECT } },
  all: {
    type: [{ type: Schema.Types.ObjectId, ref: 'Source' }],
    dependsOn: { type: ALL_OF, onMissing: 'fail' as const },
  },
  some: { type: [{ type: Schema.Types.ObjectId, ref: 'Source' }], dependsOn: { type: ANY_OF } },
  kind: String,
  other: { type: {}, refPath: 'kind', dependsOn: { type: DIRECT } },
};

const options = { maxAttempts: 2, backoff: constant(0), recheckMs: 86_400_000 };

function makeModels(connection: Connection) {
  const Source = connection.model('Source', taskQueue(new Schema({}), options));
  const plain = new Schema({ ...fields, _id: {} }, { minimize: false });
  const Plain = connection.model('Plain', taskQueue(plain, { ...options, category: true }));
  const Waiting = connection.model('Waiting', taskQueue(new Schema({ ...fields, ...references }), options));

  return { Source, Plain, Waiting };
}

type Models = ReturnType<typeof makeModels>;
type Job = Models['Plain'];

// Values of any type.

const { Long, Decimal128, Timestamp, Binary, BSONRegExp, Code, MinKey, MaxKey, BSONSymbol, DBRef, Double } = mongo;
const PAST = new Date(1_000);
const odd = fc.constantFrom<unknown>(
  null,
  true,
  Number.NaN,
  -1,
  -7.5,
  new Double(3),
  Infinity,
  -Infinity,
  2 ** 53,
  Long.MAX_VALUE,
  Long.MIN_VALUE,
  FAR_DATE,
  Decimal128.fromString('NaN'),
  Decimal128.fromString('1E+6000'),
  Decimal128.fromString('-1'),
  new Timestamp({ t: 1, i: 1 }),
  new Timestamp({ t: 4_000_000_000, i: 1 }),
  new Binary(Buffer.from('bytes')),
  new Binary(Buffer.alloc(16), 4),
  new Binary(Buffer.alloc(3), 128),
  /x/i,
  new BSONRegExp(NO_PATTERN, 'i'),
  new BSONRegExp('(', 'x'),
  new Code('function () { throw 1 }'),
  new Code('x', { x: 1 }),
  new MinKey(),
  new MaxKey(),
  new BSONSymbol('x'),
  new DBRef('sources', new Types.ObjectId()),
  new Types.ObjectId(),
  PAST,
  new Date(8.64e15),
  new Date('9999-12-31T00:00:00Z'),
  new Date(Number.NaN),
  '',
  'x',
  NO_TEXT,
  'constructor',
  '\0',
  '\ud800',
  '507f1f77bcf86cd799439011',
  [],
  [[]],
  [{}],
  [null],
  {},
);
const name = fc.constantFrom(
  'a',
  '$ne',
  '$gt',
  '$in',
  '$expr',
  'a.b',
  '',
  '__proto__',
  'constructor',
  'toBSON',
  'toString',
  '_id',
  'length',
  'mark',
  'id',
  BSONTYPE,
);
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    { weight: 6, arbitrary: odd },
    { weight: 1, arbitrary: fc.array(tie('value'), { maxLength: 3 }) },
    { weight: 1, arbitrary: fc.dictionary(name, tie('value'), { maxKeys: 3, noNullPrototype: true }) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => new Binary(bytes)) },
    { weight: 1, arbitrary: fc.string({ maxLength: 20 }) },
    { weight: 1, arbitrary: fc.double() },
  ),
}));

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 3 });
const usual = {
  availableAt: PAST,
  dueAt: PAST,
  expiresFrom: new Date('2100-01-01'),
  attempts: 0,
  claims: 0,
  token: new Types.ObjectId(),
  startedAt: PAST,
  settledAt: PAST,
  errors: [],
  key: 'key',
  schedule: { every: 60_000 },
  slot: PAST,
  lastRun: { state: 'FINISHED', at: PAST, slot: PAST },
  progress: 1,
  waitingOn: [{ mark: 'x', id: new Types.ObjectId() }],
  recheckAt: PAST,
  doomedBy: [],
  armed: {},
};
const schedule = fc.oneof(
  fc.record({ every: value }),
  fc.record({ cron: fc.oneof(value, fc.constantFrom('* * * * *', '0 0 30 2 *')), timeZone: value }),
  value,
);
const bookkeeping = fc.record(
  Object.fromEntries(
    Object.entries(usual).map(([key, one]) => [
      key,
      fc.oneof(
        { weight: 2, arbitrary: fc.constant<unknown>(one) },
        { weight: 3, arbitrary: key === 'schedule' ? schedule : value },
      ),
    ]),
  ),
  { requiredKeys: [] },
);
const few = fc.uniqueArray(fc.constantFrom(...Object.keys(usual)), { maxLength: 4 });
const task = fc.oneof(
  { weight: 2, arbitrary: value },
  { weight: 3, arbitrary: bookkeeping },
  // As it should be but for a few: more of them are claimed.
  {
    weight: 5,
    arbitrary: fc.tuple(few, bookkeeping).map(([names, all]): unknown => ({
      availableAt: PAST,
      dueAt: PAST,
      ...Object.fromEntries(names.map((one) => [one, all[one]])),
    })),
  },
);
const reference = fc.oneof(
  value,
  fc.array(value, { maxLength: 4 }),
  fc.dictionary(name, value, { minKeys: 1, maxKeys: 2, noNullPrototype: true }),
);
const anyFields = fc.record(
  Object.fromEntries([
    ...Object.keys(fields).map((key) => [key, value] as const),
    ...Object.keys(references).map((key) => [key, reference] as const),
    ['category', value],
    ['createdAt', value],
    ['__v', value],
  ]),
  { requiredKeys: [] },
);

const CONSUMERS = ['pop', 'popMany', 'queue', 'worker of 1', 'worker of 8'] as const;
const bad = fc.record({
  model: fc.constantFrom('Plain' as const, 'Waiting' as const),
  consumer: fc.constantFrom(...CONSUMERS),
  state: fc.constantFrom('CREATED', 'CREATED', 'RUNNING'),
  _id: maybe(
    fc.oneof(
      fc.constant<unknown>(new Types.ObjectId()),
      fc.constantFrom<unknown>('x', 7, 2.5, true, { a: 1 }),
      // What the driver cannot send as it has read it names no document.
      fc.constantFrom<unknown>(FAR_DATE, NO_TEXT, { a: NO_TEXT }, { again: 1, [AGAIN]: 2 }, { [BSONTYPE]: 'Long' }),
      value,
    ),
  ),
  priority: maybe(fc.oneof({ weight: 2, arbitrary: fc.constant<unknown>(5) }, { weight: 1, arbitrary: value })),
  task: maybe(task),
  kind: maybe(fc.constantFrom('Source', 'constructor', '__proto__', 'Plain', 'Nobody')),
  fields: anyFields,
  /** So many bytes are left to the largest document that the server keeps; in most cases nearly all. */
  room: fc.oneof({ weight: 60, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.nat({ max: 100 }) }),
  /** Bytes that are changed at random. */
  flips: fc.oneof(
    { weight: 4, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 3 }) },
  ),
});
type Bad = typeof bad extends fc.Arbitrary<infer T> ? T : never;

function bytesOf({ state, _id, priority, task: _task, kind, fields: others, room, flips }: Bad): Buffer {
  const document = {
    ...(_id !== undefined && { _id }),
    ...others,
    ...(kind !== undefined && { kind }),
    state,
    ...(priority !== undefined && { priority }),
    ...(_task !== undefined && { _task }),
  };
  const bytes = foreignBytes(document);
  for (const [at, byte] of flips) bytes[4 + (at % (bytes.length - 4))] = byte;
  if (room === null) return bytes;

  const filler = Buffer.alloc(Math.max(0, MAX_SIZE - room - bytes.length - 'filler'.length - 2 - 5), 'x');
  return foreignBytes({ ...document, filler: filler.toString() });
}

describe('one document of any bytes among twenty good ones', () => {
  const database = useDatabase();
  let monitor: MonitoredConnection;
  let models: Models;
  let foreign: ForeignProgram;
  let source: Types.ObjectId;
  let taken = 0;

  beforeAll(async () => {
    monitor = await monitoredConnection(database.uri);
    models = makeModels(monitor.connection);
    for (const model of [models.Source, models.Plain, models.Waiting]) {
      // A warning for each case would be all that is seen.
      model.on('error', () => {});
      await model.pop();
    }
    foreign = await foreignProgram(database.connection);
    source = (await models.Source.create({ state: 'FINISHED' }))._id;
  });

  afterAll(() => foreign.close());

  it(
    'keeps none of them back',
    async () => {
      await fc.assert(fc.asyncProperty(bad, check), {
        numRuns: RUNS,
        ...(process.env['PROPERTY_PATH'] && { path: process.env['PROPERTY_PATH'] }),
        // What did not end would go on beside the next case.
        endOnFailure: true,
      });
      // Most of them are what a server keeps.
      expect(taken).toBeGreaterThan(RUNS / 2);
    },
    300_000 + RUNS * 2_000,
  );

  async function check(one: Bad): Promise<void> {
    const model = models[one.model] as Job;
    const native = nativeOf(model);
    await native.deleteMany({});
    const good = Array.from({ length: GOOD }, (_, number) => ({
      _id: new Types.ObjectId(),
      n: number,
      state: 'CREATED',
      priority: number % 2 === 0 ? 10 : 0,
      _task: { availableAt: new Date(2_000), dueAt: new Date(2_000) },
      ...(one.model === 'Waiting' && { one: source, all: [source], some: [source] }),
    }));
    await native.insertMany(good);
    if (!(await foreign.insert(native.collectionName, bytesOf(one)))) return;
    taken++;

    monitor.forget();
    await look(model, false);
    const handed = await within(
      consume(
        model,
        one.consumer,
        good.map(({ _id }) => String(_id)),
      ),
    );
    await look(model, null);
    const names = monitor.all().map((command) => command.name);

    expect(handed.toSorted()).toEqual(good.map(({ _id }) => String(_id)).toSorted());
    expect(names.length).toBeLessThan(MAX_COMMANDS);
    expect(await native.countDocuments({ _id: { $in: good.map(({ _id }) => _id) }, state: 'FINISHED' })).toBe(GOOD);
  }
});

/** What it can be asked, it answers. */
async function look(model: Job, isEmpty: boolean | null): Promise<void> {
  const empty = await model.isEmpty();
  if (isEmpty !== null) expect(empty).toBe(isEmpty);
  const { ready, ...others } = await model.stats();
  for (const count of Object.values({ ready, ...others }))
    expect(count === null || count === false || Number(count) >= 0).toBe(true);
  expect(Array.isArray(await model.blocked())).toBe(true);
}

/** Consumes until the good ones were handed out, and what the other one does to the next look. Returns the good ones. */
async function consume(model: Job, consumer: Bad['consumer'], good: readonly string[]): Promise<string[]> {
  const handed: string[] = [];
  const isOver = () => handed.length >= good.length;
  const take = async (one: { _id: unknown; finish(): Promise<unknown> }) => {
    if (!(one._id instanceof Types.ObjectId) || !good.includes(one._id.toHexString())) return;
    handed.push(one._id.toHexString());
    await one.finish();
  };
  const popMany = async () => {
    const tasks = await model.popMany(7);
    for (const one of tasks) await take(one);
    return tasks.length > 0;
  };
  const pop = async () => {
    const one = await model.pop();
    if (one) await take(one);
    return one !== null;
  };
  if (consumer === 'pop') while (!isOver()) if (!(await pop())) break;
  if (consumer === 'popMany') while (!isOver()) if (!(await popMany())) break;
  if (consumer === 'queue') {
    for await (const one of model.queue({ pollMs: 5, onError: () => {} })) {
      await take(one);
      if (isOver()) break;
    }
  }
  if (consumer.startsWith('worker')) await work(model, consumer.endsWith('8') ? 8 : 1, isOver, take);
  // Nothing but the other one can be there.
  for (const again of [pop, popMany]) await again().catch(() => {});

  return handed;
}

async function work(
  model: Job,
  concurrency: number,
  isOver: () => boolean,
  take: (task: never) => Promise<void>,
): Promise<void> {
  const handler = (task: unknown) => take(task as never);
  const worker = new Worker(model, { concurrency, handler } as never);
  const isAtRest = new Promise<void>((resolve) => {
    const check = () => isOver() && resolve();
    worker.on('idle', check);
    worker.on('error', check);
  });
  await worker.start();
  await isAtRest;
  await worker.stop();
}

/** A case that does not end is a failure that can be told. The limit is that of no machine: what spins is told by its commands. */
async function within<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('It does not end.')), 120_000);
  });

  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
