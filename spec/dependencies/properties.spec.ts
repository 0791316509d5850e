import fc from 'fast-check';
import { mongo, Schema, Types, type Connection } from 'mongoose';
import { LeaseLostError, taskQueue, type DependencyPolicy } from 'mongoose-task-queue';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { randomFrom } from '../support/random';
import { nativeOf } from '../support/raw';
import { inTurns, Turns, type Step } from '../support/turns';
import { documentIn, idsAt, outcomeByRule, outcomeOf, type Outcome, type Rule, type World } from '../support/waiting';

/** More of them, and other ones, by `PROPERTY_RUNS=5000 PROPERTY_SEED=…`. */
const RUNS = Number(process.env['PROPERTY_RUNS'] ?? 40);
const SEED = Number(process.env['PROPERTY_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

const SOURCES = 4;
const ORDERS = 2;
const JOBS = 6;
const VARIANTS = 3;
const POLICIES: readonly DependencyPolicy[] = ['wait', 'fail', 'ignore'];

/** Long enough that no task of these specs is ever woken by it: a wake-up that is lost stays lost. */
const RECHECK_MS = 86_400_000;
const PAST = new Date(0);

/** The dependencies of a job. Each variant gives each of them another policy. */
function rulesOf(variant: number): Rule[] {
  const finished = { when: { state: ['FINISHED'] }, areTasks: true };
  const rules = [
    { path: 'one', any: false, of: 'sources', ...finished },
    { path: 'all', any: false, of: 'sources', ...finished },
    { path: 'some', any: true, of: 'sources', ...finished },
    { path: 'over', any: false, of: 'sources', when: { state: ['FINISHED', 'FAILED'] }, areTasks: true },
    { path: 'paid', any: false, of: 'orders', when: { status: ['paid', 'free'] }, areTasks: false },
    { path: 'after', any: false, of: 'jobs', ...finished },
  ];

  return rules.map((rule, index) => ({
    ...rule,
    onFailed: POLICIES[(variant + index) % 3]!,
    onMissing: POLICIES[(variant + 2 * index + 1) % 3]!,
  }));
}

function makeModels(connection: Connection, variant: number) {
  const [one, all, some, over, paid, after] = rulesOf(variant).map(({ any, onFailed, onMissing, path }) => ({
    type: ['one', 'over', 'paid'].includes(path)
      ? ('DIRECT' as const)
      : any
        ? ('ANY_OF' as const)
        : ('ALL_OF' as const),
    onFailed: onFailed as DependencyPolicy,
    onMissing: onMissing as DependencyPolicy,
  }));
  const to = (ref: string) => ({ type: Schema.Types.ObjectId, ref });
  const name = (of: string) => `${of}${variant}`;
  const options = { leaseMs: 300_000, maxAttempts: 100, recheckMs: RECHECK_MS };
  const Source = connection.model(name('Source'), taskQueue(new Schema({}), options), name('sources'));
  const Order = connection.model(name('Order'), new Schema({ status: String }), name('orders'));
  const schema = new Schema({
    number: Number,
    one: { ...to(name('Source')), dependsOn: one },
    all: { type: [to(name('Source'))], dependsOn: all },
    some: { type: [to(name('Source'))], dependsOn: some },
    over: { ...to(name('Source')), dependsOn: { ...over, when: { state: { $in: ['FINISHED', 'FAILED'] } } } },
    paid: { ...to(name('Order')), dependsOn: { ...paid, when: { status: { $in: ['paid', 'free'] } } } },
    after: { type: [to(name('Job'))], dependsOn: after },
  });
  const Job = connection.model(name('Job'), taskQueue(schema, options), name('jobs'));

  return { Source, Order, Job };
}

type Models = ReturnType<typeof makeModels>;
type Task = NonNullable<Awaited<ReturnType<Models['Job']['pop']>>>;

// What is done, and with what: numbers stand for documents.

const index = (count: number) => fc.nat({ max: count - 1 });
const sourceState = fc.constantFrom('CREATED', 'FINISHED', 'FINISHED', 'FAILED', 'PENDING', 'RUNNING');
const orderStatus = fc.constantFrom('open', 'paid', 'free');
const few = (count: number) => fc.uniqueArray(index(count), { maxLength: 3 });
const rarely = <T>(value: fc.Arbitrary<T>) => fc.option(value, { freq: 2, nil: undefined });
const often = <T>(value: fc.Arbitrary<T>) => fc.option(value, { freq: 1, nil: undefined });

const references = fc.record(
  {
    one: rarely(index(SOURCES)),
    all: often(few(SOURCES)),
    some: often(few(SOURCES)),
    over: often(index(SOURCES)),
    paid: often(index(ORDERS)),
    after: often(few(JOBS)),
  },
  { requiredKeys: [] },
);
const job = fc.record({
  references,
  priority: fc.integer({ min: 1, max: 3 }),
  how: fc.constantFrom('pushed', 'pushed', 'raw', 'pushed later', 'raw later'),
});
const popper = fc.array(
  fc.record({
    limit: fc.constantFrom(0, 0, 1, 3),
    then: fc.constantFrom('finish', 'finish', 'fail', 'retry', 'release', 'hold'),
  }),
  { minLength: 1, maxLength: 4 },
);
const change = fc.oneof(
  { weight: 6, arbitrary: fc.record({ what: fc.constant('source' as const), at: index(SOURCES), state: sourceState }) },
  { weight: 3, arbitrary: fc.record({ what: fc.constant('order' as const), at: index(ORDERS), status: orderStatus }) },
  {
    weight: 1,
    arbitrary: fc.record({ what: fc.constant('delete' as const), at: index(SOURCES + ORDERS) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constant('job' as const),
      at: index(JOBS),
      state: fc.constantFrom('CREATED', 'CREATED', 'FINISHED', 'FAILED'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('lease ends' as const), at: index(JOBS) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('refer' as const), at: index(JOBS), to: few(SOURCES) }) },
);
const story = fc.record({
  variant: index(VARIANTS),
  sources: fc.array(fc.option(sourceState, { freq: 6 }), { minLength: SOURCES, maxLength: SOURCES }),
  orders: fc.array(fc.option(orderStatus, { freq: 6 }), { minLength: ORDERS, maxLength: ORDERS }),
  jobs: fc.array(job, { minLength: 1, maxLength: JOBS }),
  poppers: fc.tuple(popper, popper),
  changes: fc.array(change, { maxLength: 10 }),
  /** After so many steps the first popper is killed. */
  crashAfter: fc.option(fc.nat({ max: 40 }), { freq: 3 }),
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
  /** Documents of which a re-check alone may tell: they were deleted or inserted, or a task's references were edited. */
  readonly unwatched: Set<string>;
  readonly isCrashed: boolean;
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
    process.stderr.write(`PROPERTY_SEED=${SEED}\n`);
    const connections = await Promise.all(actors.map(() => openConnection(database.uri, { autoIndex: false })));
    for (let variant = 0; variant < VARIANTS; variant++) {
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
        { numRuns: RUNS, seed: SEED, ...(process.env['PROPERTY_PATH'] && { path: process.env['PROPERTY_PATH'] }), interruptAfterTimeLimit: RUNS * 1_000, endOnFailure: RUNS > 1_000 },
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
      isCrashed: told.crashAfter !== null,
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
      played.unwatched.add(String(jobIds[number]));
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
    // Nobody waits for a job that is there before whoever waits for it.
    const later = told.jobs.flatMap(({ how }, number) => (how.endsWith('later') ? [number] : []));
    for (const [number, id] of jobIds.entries())
      if (!later.includes(number) && number < told.jobs.length) played.unwatched.delete(String(id));
    await look();

    const game = new Turns(
      (count) => Math.floor(random() * count),
      async (step) => {
        steps.push(step);
        await look();
        if (steps.length === told.crashAfter) game.kill('A');
      },
    );
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
        for (const one of told.changes) await raw(() => write(ours, one, { sourceIds, orderIds, jobIds }, played));
      },
    });
    turns = null;

    return played;
  }

  async function pop(actor: string, { Job }: Models, calls: Story['poppers'][0], played: Played): Promise<void> {
    for (const { limit, then } of calls) {
      const from = played.worlds.length - 1;
      const popped = limit === 0 ? await Job.pop() : await Job.popMany(limit);
      const tasks = [popped ?? []].flat() as Task[];
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
      if (!(error instanceof LeaseLostError)) throw error;
      note('lost');
    }
  }

  async function write(
    { Source, Order, Job }: Models,
    told: Story['changes'][0],
    { sourceIds, orderIds, jobIds }: Record<'sourceIds' | 'orderIds' | 'jobIds', Types.ObjectId[]>,
    { unwatched }: Played,
  ): Promise<void> {
    const others = [...sourceIds, ...orderIds];
    switch (told.what) {
      case 'source':
        return upsert(Source, sourceIds[told.at]!, { state: told.state });
      case 'order':
        return upsert(Order, orderIds[told.at]!, { status: told.status });
      case 'delete':
        unwatched.add(String(others[told.at]));
        await nativeOf(told.at < SOURCES ? Source : Order).deleteOne({ _id: others[told.at] });
        return;
      case 'job':
        await nativeOf(Job).updateOne({ _id: jobIds[told.at] }, { $set: { state: told.state } });
        return;
      case 'lease ends':
        await nativeOf(Job).updateOne(
          { _id: jobIds[told.at], state: 'RUNNING' },
          { $set: { '_task.availableAt': PAST } },
        );
        return;
      case 'refer':
        unwatched.add(String(jobIds[told.at]));
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
        if (job['state'] !== 'RUNNING' || mongo.BSON.serialize(job).equals(mongo.BSON.serialize(after))) continue;

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
    // Whoever holds a task still, holds it no more.
    await nativeOf(ours.Job).updateMany({ state: 'RUNNING' }, { $set: { '_task.availableAt': PAST } });
    const expected = expectations(played, await readWorld(ours));

    // What is woken is woken by marks alone: no re-check is due.
    const woken = await popAll(ours);
    const world = await readWorld(ours);
    for (const [id, one] of isCrashed ? [] : expected) {
      if (one.isUnwatched) continue;
      expect([describeJob(world, id), woken.includes(id)]).toEqual([describeJob(world, id), one.outcome === 'ready']);
      if (one.outcome === 'doomed') expect(documentIn(world, 'jobs', id)).toMatchObject({ state: 'FAILED' });
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
  function expectations({ rules, jobIds, unwatched }: Played, world: World) {
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
        [id, ...referred].some((other) => unwatched.has(other)) || others.some((other) => other.isUnwatched);
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
  const [one, other] = [before, after].map(({ _task: { armed: _, ...task } = {}, ...fields }) =>
    mongo.BSON.serialize({ ...fields, task }),
  );

  return Buffer.from(one!).equals(other!);
}

/** For the message when something is wrong. */
function describeJob(world: World, id: string): string {
  return JSON.stringify(documentIn(world, 'jobs', id));
}

function dump(p: Played) {
  const short = (w: World) => ['sources','orders','jobs'].map((c) => w[c]!.map((d: any) => `${d.number ?? ''}${d.state ?? d.status}${d._task ? '[' + [Number(d._task.availableAt) > 1e14 ? 'never' : d._task.availableAt?.toISOString?.(), d._task.claims, d._task.waitingOn ? 'W' : '', d._task.doomedBy ? 'D': '', d._task.armed ? Object.keys(d._task.armed) : ''].join(' ') + ']' : ''}`).join(' ')).join(' | ');
  const out = [JSON.stringify(p.pops.map((x) => ({ ...x, tasks: x.tasks.map((t: any) => t.number) }))), JSON.stringify(p.settles.map((x: any) => ({ ...x, task: x.task.number }))), 'start ' + short(p.worlds[0]!)];
  p.steps.forEach((s, i) => out.push(`${i} ${s.actor} ${s.name} ${JSON.stringify(s.filter).slice(0, 200)}`, '      ' + short(p.worlds[i + 1]!)));
  require('fs').writeFileSync('/work/scratch/graphs/dump.txt', out.join('\n'));
}
