import { isDeepStrictEqual } from 'node:util';
import fc, { propertyRuns } from '../support/property';
import { mongo, Schema, Types, type Connection, type HydratedDocument } from 'mongoose';
import {
  DependencyType,
  LeaseLostError,
  taskQueue,
  TaskStateError,
  type DependencyPolicy,
  type TaskMethods,
} from 'mongoose-task-queue';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { randomFrom } from '../support/random';
import { nativeOf } from '../support/raw';
import { inTurns, Turns, type Step } from '../support/turns';
import { documentIn, idsAt, outcomeByRule, outcomeOf, type Outcome, type Rule, type World } from '../support/waiting';

jest.mock('../../lib/timers', () => jest.requireActual<object>('../support/fakeable-timers'));

const RUNS = propertyRuns(40);

const SOURCES = 3;
const ORDERS = 2;
const JOBS = 5;

const { DIRECT, ALL_OF, ANY_OF } = DependencyType;

/** Long enough that no task of these specs is ever woken by it: a wake-up that is lost stays lost. */
const RECHECK_MS = 86_400_000;
const PAST = new Date(0);

type Path = 'one' | 'all' | 'some' | 'over' | 'paid' | 'after';

const KINDS = {
  one: { type: DIRECT, of: 'sources', when: { state: ['FINISHED'] } },
  all: { type: ALL_OF, of: 'sources', when: { state: ['FINISHED'] } },
  some: { type: ANY_OF, of: 'sources', when: { state: ['FINISHED'] } },
  over: { type: DIRECT, of: 'sources', when: { state: ['FINISHED', 'FAILED'] } },
  paid: { type: DIRECT, of: 'orders', when: { status: ['paid', 'free'] } },
  after: { type: ALL_OF, of: 'jobs', when: { state: ['FINISHED'] } },
} as const;

/** The dependencies that a job can have, each with what becomes of it when the other has failed, and when there is none. */
const VARIANTS: Partial<Record<Path, [onFailed: DependencyPolicy, onMissing: DependencyPolicy]>>[] = [
  { one: ['wait', 'wait'] },
  { all: ['fail', 'wait'], after: ['fail', 'ignore'] },
  { some: ['fail', 'fail'], paid: ['wait', 'wait'] },
  { one: ['ignore', 'fail'], some: ['ignore', 'wait'] },
  { over: ['wait', 'ignore'], all: ['wait', 'ignore'], after: ['wait', 'wait'] },
  { one: ['fail', 'ignore'], all: ['ignore', 'wait'], some: ['wait', 'ignore'], paid: ['wait', 'fail'] },
];

function rulesOf(variant: number): Rule[] {
  return Object.entries(VARIANTS[variant]!).map(([path, [onFailed, onMissing]]) => {
    const { type, of, when } = KINDS[path as Path];
    return { path, any: type === ANY_OF, of, when, areTasks: of !== 'orders', onFailed, onMissing };
  });
}

function makeModels(connection: Connection, variant: number) {
  const name = (of: string) => `${of}${variant}`;
  const options = { leaseMs: 300_000, maxAttempts: 100, recheckMs: RECHECK_MS };
  const Source = connection.model(name('Source'), taskQueue(new Schema({}), options), name('sources'));
  const Order = connection.model(name('Order'), new Schema({ status: String }), name('orders'));
  const models = { sources: name('Source'), orders: name('Order'), jobs: name('Job') };
  const paths = Object.entries(VARIANTS[variant]!).map(([path, [onFailed, onMissing]]) => {
    const { type, of, when } = KINDS[path as Path];
    const [[field, values]] = Object.entries(when) as [[string, readonly string[]]];
    const reference = { type: Schema.Types.ObjectId, ref: models[of] };
    const dependsOn = {
      type,
      onFailed,
      onMissing,
      ...(values.includes('FINISHED') && values.length === 1 ? {} : { when: { [field]: { $in: values } } }),
    };
    return [path, type === DIRECT ? { ...reference, dependsOn } : { type: [reference], dependsOn }];
  });
  const schema = new Schema({ number: Number, ...(Object.fromEntries(paths) as object) });
  const Job = connection.model(name('Job'), taskQueue(schema, options), name('jobs'));

  return { Source, Order, Job };
}

type Models = ReturnType<typeof makeModels>;
type Task = HydratedDocument<unknown> & TaskMethods;

// What is done, and with what: numbers stand for documents.

const index = (count: number) => fc.nat({ max: count - 1 });
/** Often the same one: where many things happen to one document, there is something to see. */
const first = (count: number) =>
  fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: index(count) });
const sourceState = fc.constantFrom('CREATED', 'CREATED', 'FINISHED', 'FINISHED', 'FAILED', 'PENDING');
const orderStatus = fc.constantFrom('open', 'paid', 'free');
const few = (count: number) => fc.uniqueArray(index(count), { maxLength: 3 });
const mostly = <T>(value: fc.Arbitrary<T>) => fc.option(value, { freq: 3, nil: undefined });

const references = fc.record(
  {
    one: mostly(first(SOURCES)),
    all: mostly(few(SOURCES)),
    some: mostly(few(SOURCES)),
    over: mostly(index(SOURCES)),
    paid: mostly(index(ORDERS)),
    after: mostly(few(JOBS)),
  },
  { requiredKeys: [] },
);
const job = fc.record({
  references,
  priority: fc.integer({ min: 1, max: 3 }),
  how: fc.constantFrom('pushed', 'raw', 'pushed later', 'pushed later', 'raw later'),
});
const popper = fc.array(
  fc.record({
    limit: fc.constantFrom(0, 0, 1, 3),
    // oxlint-disable-next-line unicorn/no-thenable -- a plain word in a generated value, never awaited
    then: fc.constantFrom('finish', 'finish', 'fail', 'retry', 'release', 'hold'),
  }),
  { minLength: 1, maxLength: 4 },
);
// Several changes of one document, with anything in between: what is done and undone is what gets lost most easily.
const change = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      what: fc.constant('source' as const),
      at: first(SOURCES),
      states: fc.array(sourceState, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constant('order' as const),
      at: index(ORDERS),
      states: fc.array(orderStatus, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constant('job' as const),
      at: first(JOBS),
      states: fc.array(fc.constantFrom('CREATED', 'CREATED', 'FINISHED', 'FAILED'), { minLength: 1, maxLength: 2 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('delete' as const), at: index(SOURCES + ORDERS) }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('lease ends' as const), at: first(JOBS) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('refer' as const), at: first(JOBS), to: few(SOURCES) }) },
);
const story = fc.record({
  variant: index(VARIANTS.length),
  sources: fc.array(fc.option(sourceState, { freq: 6 }), { minLength: SOURCES, maxLength: SOURCES }),
  orders: fc.array(fc.option(orderStatus, { freq: 6 }), { minLength: ORDERS, maxLength: ORDERS }),
  jobs: fc.array(job, { minLength: 2, maxLength: JOBS }),
  poppers: fc.tuple(popper, popper),
  changes: fc.array(change, { maxLength: 6 }),
  /** After so many steps the first popper is killed. */
  crashAfter: fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.nat({ max: 40 }) }),
  /** After these numbers of steps another goes on; with none of them, after each. */
  switches: fc.array(fc.nat({ max: 60 }), { maxLength: 8 }),
  seed: fc.nat(),
});

type Story = typeof story extends fc.Arbitrary<infer T> ? T : never;

/** What one story has left behind, and all that was seen on the way. */
interface Played {
  readonly rules: Rule[];
  readonly models: Models;
  readonly jobIds: Types.ObjectId[];
  /** The world after each step, and before the first one. */
  readonly worlds: World[];
  readonly steps: Step[];
  readonly pops: { from: number; to: number; limit: number; tasks: Task[] }[];
  readonly settles: { from: number; to: number; task: Task; actor: string; outcome: 'done' | 'lost' }[];
  /** Documents of which a re-check alone may tell: they were deleted, or inserted after others that refer to them. */
  readonly unwatched: Set<string>;
  /** Jobs whose references were changed by hand. */
  readonly edited: Set<string>;
  isCrashed(): boolean;
}

describe('whatever happens in whatever order', () => {
  const database = useDatabase();
  const actors = ['A', 'B'];
  /** By variant: ours to look with, and those of the two processes. */
  const models: Models[] = [];
  const theirs: Models[][] = [];
  let turns: Turns | null = null;
  let clock = 0;

  beforeAll(async () => {
    const connections = await Promise.all(actors.map(() => openConnection(database.uri, { autoIndex: false })));
    for (let variant = 0; variant < VARIANTS.length; variant++) {
      const ours = makeModels(database.connection, variant);
      await ours.Source.ensureTaskIndexes();
      await ours.Job.pop();
      models.push(ours);
      theirs.push(connections.map((connection) => makeModels(connection, variant)));
      for (const [at, one] of theirs[variant]!.entries()) {
        await one.Job.pop();
        for (const model of Object.values(one)) inTurns(model, actors[at]!, () => turns);
      }
    }
  });

  afterEach(() => {
    jest.restoreAllMocks();
  });

  it(
    'the invariants hold, and in the end exactly those are popped that are ready',
    async () => {
      await fc.assert(
        fc.asyncProperty(story, async (told) => {
          const played = await play(told);
          checkClaims(played);
          checkSettles(played);
          checkPops(played);
          await checkEnd(played);
        }),
        {
          numRuns: RUNS,
          ...(process.env['PROPERTY_PATH'] && { path: process.env['PROPERTY_PATH'] }),
          interruptAfterTimeLimit: RUNS * 1_000,
          endOnFailure: RUNS >= 100,
        },
      );
    },
    Math.max(60_000, RUNS * 2_000),
  );

  async function play(told: Story): Promise<Played> {
    const ours = models[told.variant]!;
    const random = randomFrom(told.seed);
    jest.spyOn(Math, 'random').mockImplementation(random);
    const sourceIds = ids(SOURCES);
    const orderIds = ids(ORDERS);
    const jobIds = ids(JOBS);
    const worlds: World[] = [];
    const steps: Step[] = [];
    const played: Played = {
      rules: rulesOf(told.variant),
      models: ours,
      jobIds,
      worlds,
      steps,
      pops: [],
      settles: [],
      unwatched: new Set(),
      edited: new Set(),
      isCrashed: () => told.crashAfter !== null && steps.length >= told.crashAfter,
    };
    const look = async () => void worlds.push(await readWorld(ours));

    const inputOf = (number: number) => {
      const { references: to, priority } = told.jobs[number]!;
      // No job comes after itself: what becomes of a ring depends on who is first.
      const after = to.after?.filter((other) => other < number).map((at) => jobIds[at]!);
      const refer = (path: 'one' | 'over') => (to[path] === undefined ? {} : { [path]: sourceIds[to[path]] });
      const list = (path: 'all' | 'some') => (to[path] ? { [path]: to[path].map((at) => sourceIds[at]!) } : {});
      return {
        _id: jobIds[number]!,
        number,
        priority,
        ...refer('one'),
        ...refer('over'),
        ...list('all'),
        ...list('some'),
        ...(to.paid !== undefined && { paid: orderIds[to.paid] }),
        ...(after && { after }),
      };
    };
    const add = async ({ Job }: Models, number: number, how: string, insert: () => Promise<unknown>) => {
      if (how.startsWith('pushed')) await Job.push(inputOf(number) as never);
      else await insert();
    };
    const insertRaw = (number: number) => nativeOf(ours.Job).insertOne({ ...inputOf(number), state: 'CREATED' });

    await Promise.all([ours.Source, ours.Order, ours.Job].map((model) => nativeOf(model).deleteMany({})));
    await insertAll(ours.Source, sourceIds, told.sources, (state) => ({ state }));
    await insertAll(ours.Order, orderIds, told.orders, (status) => ({ status }));
    told.sources.forEach((state, at) => state ?? played.unwatched.add(String(sourceIds[at])));
    told.orders.forEach((status, at) => status ?? played.unwatched.add(String(orderIds[at])));
    for (const [number, { how }] of told.jobs.entries()) {
      if (!how.endsWith('later')) await add(ours, number, how, () => insertRaw(number));
    }
    const later = told.jobs.flatMap(({ how }, number) => (how.endsWith('later') ? [number] : []));
    for (const number of later) played.unwatched.add(String(jobIds[number]));
    await look();

    const game = new Turns(chooser(random, told.switches, steps), async (step) => {
      steps.push(step);
      if (step.name === 'find' || step.name === 'findOne') worlds.push(worlds.at(-1)!);
      else await look();
      if (steps.length === told.crashAfter) game.kill('A');
    });
    turns = game;
    const raw = <T>(operation: () => Promise<T>) => game.take({ actor: 'raw', name: 'raw', filter: {} }, operation);
    await game.play({
      A: () => pop('A', theirs[told.variant]![0]!, told.poppers[0], played),
      B: () => pop('B', theirs[told.variant]![1]!, told.poppers[1], played),
      pusher: async () => {
        const B = theirs[told.variant]![1]!;
        for (const number of later) await add(B, number, told.jobs[number]!.how, () => raw(() => insertRaw(number)));
      },
      raw: async () => {
        for (const one of told.changes)
          for (const state of 'states' in one ? one.states : [''])
            await raw(() => write(ours, one, state, { sourceIds, orderIds, jobIds }, played));
      },
    });
    turns = null;

    return played;
  }

  async function pop(actor: string, { Job }: Models, calls: Story['poppers'][0], played: Played): Promise<void> {
    for (const { limit, then } of calls) {
      const from = played.worlds.length - 1;
      const popped = limit === 0 ? await Job.pop() : await Job.popMany(limit);
      const tasks = [popped ?? []].flat() as unknown as Task[];
      played.pops.push({ from, to: played.worlds.length - 1, limit: limit || 1, tasks });
      for (const task of tasks) if (then !== 'hold') await settle(actor, task, then, played);
    }
  }

  async function settle(actor: string, task: Task, then: string, played: Played): Promise<void> {
    const verbs: Record<string, () => Promise<unknown>> = {
      finish: () => task.finish(),
      fail: () => task.fail('because'),
      retry: () => task.retry({ delayMs: 0 }),
      release: () => task.release(),
    };
    const from = played.worlds.length - 1;
    const note = (outcome: 'done' | 'lost') =>
      played.settles.push({ from, to: played.worlds.length - 1, task: snapshotOf(task), actor, outcome });
    const snapshotOf = (one: Task) => one;
    try {
      await verbs[then]!();
      note('done');
    } catch (error) {
      if (!(error instanceof LeaseLostError || error instanceof TaskStateError)) throw error;
      note('lost');
    }
  }

  async function write(
    { Source, Order, Job }: Models,
    told: Story['changes'][0],
    state: string,
    { sourceIds, orderIds, jobIds }: Record<'sourceIds' | 'orderIds' | 'jobIds', Types.ObjectId[]>,
    { unwatched, edited }: Played,
  ): Promise<void> {
    const others = [...sourceIds, ...orderIds];
    switch (told.what) {
      case 'source':
        return upsert(Source, sourceIds[told.at]!, { state });
      case 'order':
        return upsert(Order, orderIds[told.at]!, { status: state });
      case 'delete':
        unwatched.add(String(others[told.at]));
        await nativeOf(told.at < SOURCES ? Source : Order).deleteOne({ _id: others[told.at] });
        return;
      case 'job':
        await nativeOf(Job).updateOne({ _id: jobIds[told.at] }, { $set: { state } });
        return;
      case 'lease ends':
        await nativeOf(Job).updateOne(
          { _id: jobIds[told.at], state: 'RUNNING' },
          { $set: { '_task.availableAt': PAST } },
        );
        return;
      case 'refer':
        edited.add(String(jobIds[told.at]));
        await nativeOf(Job).updateOne(
          { _id: jobIds[told.at] },
          { $set: { all: told.to.map((at) => sourceIds[at]), one: sourceIds[told.to[0] ?? 0] } },
        );
        return;
    }
  }

  // I1, I5, I6: each step changes what it may.
  function checkClaims({ worlds, steps }: Played): void {
    for (const [at, step] of steps.entries()) {
      const before = worlds[at]!;
      for (const after of worlds[at + 1]!['jobs']!) {
        const job = documentIn(before, 'jobs', after['_id']);
        if (!job || step.actor === 'raw') continue;
        const isClaimed = tokenOf(job) !== tokenOf(after) && after['state'] === 'RUNNING';
        const what = `step ${at} of ${step.actor}: ${step.name} ${JSON.stringify(step.filter)}`;
        expect([what, claimsOf(after) - claimsOf(job)]).toEqual([what, isClaimed ? 1 : 0]);
        if (job['state'] !== 'RUNNING' || isDeepStrictEqual(mongo.BSON.serialize(job), mongo.BSON.serialize(after)))
          continue;

        // Who holds a task may write it; others when its lease has ended; and a mark may be set on it or removed.
        const isOver = Number(job['_task'].availableAt) <= Date.now();
        const isHolder = String(step.filter['_task.token']) === tokenOf(job);
        expect([what, isOver || isHolder || isMarked(job, after)]).toEqual([what, true]);
        const isWake = '_task.waitingOn' in step.filter || '_task.doomedBy' in step.filter;
        expect([what, isWake && !isMarked(job, after)]).toEqual([what, false]);
      }
    }
  }

  // I1: who lost the lease has written nothing.
  function checkSettles({ worlds, steps, settles }: Played): void {
    for (const { from, to, task, actor, outcome } of settles) {
      if (outcome === 'done') continue;
      for (let at = from; at < to; at++) {
        if (steps[at]!.actor !== actor || steps[at]!.name === 'find' || steps[at]!.name === 'findOne') continue;
        const [before, after] = [worlds[at]!, worlds[at + 1]!].map((world) => documentIn(world, 'jobs', task._id));
        expect(after).toEqual(before);
      }
    }
  }

  // I3, I4: by what was so at some moment of the call.
  function checkPops({ rules, worlds, pops }: Played): void {
    for (const { from, to, limit, tasks } of pops) {
      const during = worlds.slice(from, to + 1);
      for (const task of tasks) {
        const raw = task.toObject() as mongo.Document;
        for (const rule of rules) {
          const isMet = during.some((world) => outcomeByRule(rule, raw, world) === 'ready');
          expect([rule.path, raw, isMet]).toEqual([rule.path, raw, true]);
        }
      }
      if (tasks.length === limit) continue;
      for (const job of during.at(-1)!['jobs']!) {
        const wasNotReady = during.some((world) => {
          const then = documentIn(world, 'jobs', job['_id']);
          return !then || !isDue(then) || outcomeOf(rules, then, world) !== 'ready';
        });
        expect([job['number'], wasNotReady]).toEqual([job['number'], true]);
      }
    }
  }

  async function checkEnd(played: Played): Promise<void> {
    const { rules, models: ours, isCrashed } = played;
    // Whoever holds a task still, holds it no more. A lease outlives the state that somebody set by hand.
    await nativeOf(ours.Job).updateMany(
      { '_task.availableAt': { $gt: new Date(), $lt: new Date('9000-01-01') } },
      { $set: { '_task.availableAt': PAST } },
    );
    const expected = expectations(played, await readWorld(ours));

    // What is woken is woken by marks alone: no re-check is due.
    const woken = await popAll(ours);
    const world = await readWorld(ours);
    for (const [id, one] of isCrashed() ? [] : expected) {
      if (one.isUnwatched) continue;
      if (one.outcome === 'waits') expect(documentIn(world, 'jobs', id)).toMatchObject({ state: 'CREATED' });
      expect([describeJob(world, id), woken.includes(id)]).toEqual([describeJob(world, id), one.outcome === 'ready']);
    }

    // And the rest by its re-check.
    const rest = [];
    for (let round = 0; round < JOBS; round++) {
      await nativeOf(ours.Job).updateMany(
        { '_task.recheckAt': { $exists: true } },
        { $set: { '_task.recheckAt': PAST } },
      );
      rest.push(...(await nextTime(() => popAll(ours))));
    }
    const popped = [...woken, ...rest];
    expect(new Set(popped).size).toBe(popped.length);
    const end = await readWorld(ours);
    for (const [id, one] of expected) {
      const isReady = popped.includes(id);
      // A task that was failed by a document that is gone, or has come since, stays failed.
      if (one.mayStayFailed && !isReady) continue;
      expect([describeJob(end, id), isReady]).toEqual([describeJob(end, id), one.outcome === 'ready']);
      // Not before, where the task waits for another document of the same list.
      if (one.outcome === 'doomed') expect(documentIn(end, 'jobs', id)).toMatchObject({ state: 'FAILED' });
      if (one.outcome === 'waits') expect(documentIn(end, 'jobs', id)).toMatchObject({ state: 'CREATED' });
    }

    await checkOrder(ours, rules, popped);
  }

  // With nothing left to be woken, each pop takes what is first of all that is ready.
  async function checkOrder({ Job }: Models, rules: Rule[], popped: string[]): Promise<void> {
    await nativeOf(Job).updateMany({ state: 'RUNNING' }, { $set: { '_task.availableAt': PAST } });
    // All of them at once, so that the first pop sees them as the last one does.
    await nativeOf(Job).updateMany({ state: 'RUNNING' }, { $set: { state: 'CREATED' } });
    const first = await nativeOf(Job)
      .find({ state: 'CREATED', '_task.availableAt': PAST })
      .sort({ priority: -1, _id: 1 })
      .toArray();
    const inOrder = [];
    for (let task = await Job.pop(); task; task = await Job.pop()) inOrder.push(task.id as string);

    expect(inOrder).toEqual(first.map(({ _id }) => String(_id)));
    expect(inOrder.toSorted()).toEqual(popped.toSorted());
    expect(rules.length).toBeGreaterThan(0);
  }

  /** What each job must come to, in the order in which they depend on each other. */
  function expectations({ rules, jobIds, unwatched, edited }: Played, world: World) {
    const jobs = world['jobs']!.map((one) => ({ ...one }));
    const ends: World = { ...world, jobs };
    const expected = new Map<string, { outcome: Outcome | 'settled'; isUnwatched: boolean; mayStayFailed: boolean }>();
    for (const id of jobIds.map(String)) {
      const one = documentIn(ends, 'jobs', id);
      if (!one) continue;
      const isDoomed = one['state'] === 'FAILED' && one['_task']?.doomedBy !== undefined;
      const referred = rules.flatMap((rule) => idsAt(rule, one).map(String));
      const others = referred.flatMap((other) => expected.get(other) ?? []);
      const isUnwatched =
        edited.has(id) || referred.some((other) => unwatched.has(other)) || others.some((other) => other.isUnwatched);
      const mayStayFailed = (isUnwatched && isDoomed) || others.some((other) => other.mayStayFailed);
      const isSettled = one['state'] === 'FINISHED' || (one['state'] === 'FAILED' && !isDoomed);
      const outcome = isSettled ? 'settled' : outcomeOf(rules, one, ends);
      if (!isSettled) one['state'] = outcome === 'doomed' ? 'FAILED' : 'CREATED';
      expected.set(id, { outcome, isUnwatched, mayStayFailed });
    }

    return expected;
  }

  // Re-checks are looked for at most every so many milliseconds: this makes time go by for them.
  async function nextTime<T>(operation: () => Promise<T>): Promise<T> {
    const now = performance.now.bind(performance);
    clock += 1_000;
    const ahead = jest.spyOn(performance, 'now').mockImplementation(() => now() + clock);
    try {
      return await operation();
    } finally {
      ahead.mockRestore();
    }
  }

  async function popAll({ Job }: Models): Promise<string[]> {
    const popped: string[] = [];
    for (let tasks = await Job.popMany(100); tasks.length > 0; tasks = await Job.popMany(100))
      popped.push(...tasks.map(({ id }) => id as string));

    return popped;
  }
});

/**
 * Who goes on: anybody, or else whoever is first in a random order until they stand still or the step is one at which they fall
 * back behind all others. Few such steps find more than many: an order that is wrong takes few.
 */
function chooser(random: () => number, switches: readonly number[], steps: readonly Step[]) {
  const order: string[] = [];

  return (actors: readonly string[]): number => {
    if (switches.length === 0) return Math.floor(random() * actors.length);
    for (const actor of actors)
      if (!order.includes(actor)) order.splice(Math.floor(random() * (order.length + 1)), 0, actor);
    const first = order.findIndex((actor) => actors.includes(actor));
    if (switches.includes(steps.length)) order.push(...order.splice(first, 1));
    const of = order.find((actor) => actors.includes(actor));
    const theirs = actors.flatMap((actor, at) => (actor === of ? [at] : []));

    return theirs[Math.floor(random() * theirs.length)] ?? 0;
  };
}

function ids(count: number): Types.ObjectId[] {
  return Array.from({ length: count }, () => new Types.ObjectId());
}

async function insertAll(
  model: Models['Source'] | Models['Order'],
  documentIds: Types.ObjectId[],
  values: readonly (string | null)[],
  fields: (value: string) => mongo.Document,
): Promise<void> {
  const documents = documentIds.flatMap((_id, at) => (values[at] ? [{ _id, ...fields(values[at]) }] : []));
  if (documents.length > 0) await nativeOf(model).insertMany(documents);
}

async function upsert(model: Models['Source'] | Models['Order'], _id: Types.ObjectId, fields: object): Promise<void> {
  await nativeOf(model).updateOne({ _id }, { $set: fields }, { upsert: true });
}

async function readWorld({ Source, Order, Job }: Models): Promise<World> {
  const [sources, orders, jobs] = await Promise.all(
    [Source, Order, Job].map((model) => nativeOf(model).find({}).sort({ _id: 1 }).toArray()),
  );

  return { sources: sources!, orders: orders!, jobs: jobs! };
}

function isDue({ state, _task }: mongo.Document): boolean {
  return (state === 'CREATED' || state === 'RUNNING') && Number(_task?.availableAt ?? 0) <= Date.now();
}

function tokenOf({ _task }: mongo.Document): string {
  return String(_task?.token);
}

function claimsOf({ _task }: mongo.Document): number {
  return _task?.claims ?? 0;
}

/** Whether they differ in marks alone. */
function isMarked(before: mongo.Document, after: mongo.Document): boolean {
  // oxlint-disable-next-line no-unused-vars -- what is left out
  const [one, other] = [before, after].map(({ _task: { armed: _, ...task } = {}, ...fields }) =>
    mongo.BSON.serialize({ ...fields, task }),
  );

  return Buffer.from(one!).equals(other!);
}

/** For the message when something is wrong. */
function describeJob(world: World, id: string): string {
  return JSON.stringify(documentIn(world, 'jobs', id));
}
