import fc, { propertyRuns } from '../support/property';
import { Schema, Types, type Connection, type mongo } from 'mongoose';
import { taskQueue, type DependencyPolicy, type DependencyType } from 'mongoose-task-queue';
import { monitoredConnection, type Command, type MonitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { nativeOf } from '../support/raw';
import { outcomeOf, type Rule, type World } from '../support/waiting';

const RUNS = propertyRuns(30);

const MANY = 10_000;
/** A task more than a pass wakes, and what a pop says and reads besides. */
const PARKED_BY_ONE_POP = 301;
/** Long enough that no task of these specs is ever found by it. */
const RECHECK_MS = 86_400_000;

const { ObjectId } = Schema.Types;

/** How often each task was judged to wait or to fail: each time it is set aside by a statement that names it. */
function countSetAside(commands: readonly Command[], collection: string): Map<string, number> {
  const counts = new Map<string, number>();
  const statements = commands
    .filter(({ body }) => body['update'] === collection)
    .flatMap(({ body }) => body['updates'] as { q: mongo.Document; u: mongo.Document | mongo.Document[] }[]);
  for (const { q, u } of statements) {
    if (![u].flat().some(({ $set }) => $set && ('_task.waitingOn' in $set || '_task.doomedBy' in $set))) continue;
    for (const id of q['_id'].$in as unknown[]) counts.set(String(id), (counts.get(String(id)) ?? 0) + 1);
  }

  return counts;
}

describe('tasks that wait for different changes of one document', () => {
  const database = useDatabase();
  let monitored: MonitoredConnection;
  let Source: ReturnType<typeof makeModels>['Source'];
  let Job: ReturnType<typeof makeModels>['Job'];

  const makeModels = (connection: Connection) => {
    const reference = { type: ObjectId, ref: 'Source' };
    const schema = new Schema({
      done: { ...reference, dependsOn: 'DIRECT' },
      broken: { ...reference, dependsOn: { type: 'DIRECT', when: { state: 'FAILED' } } },
    });

    return {
      Source: connection.model('Source', taskQueue(new Schema({}))),
      Job: connection.model('Job', taskQueue(schema, { recheckMs: RECHECK_MS })),
    };
  };

  beforeAll(async () => {
    monitored = await monitoredConnection(database.uri);
    ({ Source, Job } = makeModels(monitored.connection));
  });

  beforeEach(async () => {
    await Promise.all([nativeOf(Source).deleteMany({}), nativeOf(Job).deleteMany({})]);
  });

  it('do not stand in the way of those that are ready, however many', async () => {
    const [good, bad] = await Source.push([{}, {}]);
    const waiting = Array.from({ length: MANY }, () => [{ done: bad!._id }, { broken: good!._id }]).flat();
    await Job.push(waiting);
    const ready = await Job.push([{ done: good!._id }, { broken: bad!._id }, { done: good!._id, broken: bad!._id }]);
    expect(await Job.pop()).toBeNull();
    await bad!.fail(new Error('disk full'));
    await good!.finish();
    monitored.forget();

    const popped = [];
    for (let pops = 0; pops < 3; pops++) {
      const startedAt = performance.now();
      popped.push((await Job.pop())?.id);
      process.stderr.write(`a pop beside ${waiting.length} took ${(performance.now() - startedAt).toFixed()} ms\n`);
    }

    expect(popped.toSorted()).toEqual(ready.map(({ id }) => id as string).toSorted());
    expect(countSetAside(monitored.all(), 'jobs').size).toBeLessThan(3);
    expect(await Job.pop()).toBeNull();
    expect(await Job.stats()).toMatchObject({ blocked: 2 * MANY, ready: 0 });
  });

  it('are woken for theirs a part at a time, and judged once each', async () => {
    const [first, second] = await Source.push([{}, {}]);
    await Job.push(Array.from({ length: 1_000 }, () => ({ done: first!._id, broken: second!._id })));
    await first!.finish();
    const total = new Map<string, number>();

    for (let pops = 0; pops < 6; pops++) {
      monitored.forget();
      expect(await Job.pop()).toBeNull();
      const counts = countSetAside(monitored.all(), 'jobs');
      expect(counts.size).toBeLessThan(PARKED_BY_ONE_POP);
      for (const [id, count] of counts) total.set(id, (total.get(id) ?? 0) + count);
    }

    expect([total.size, Math.max(...total.values())]).toEqual([1_000, 1]);
    await second!.fail(new Error('disk full'));
    expect(await Job.pop()).not.toBeNull();
  });
});

const SOURCES = 3;
const PATHS = ['done', 'broken', 'over', 'strict', 'all', 'some', 'lax'] as const;
type Path = (typeof PATHS)[number];

const OF: Record<Path, { type: DependencyType; when: readonly string[]; onFailed: DependencyPolicy }> = {
  done: { type: 'DIRECT', when: ['FINISHED'], onFailed: 'wait' },
  broken: { type: 'DIRECT', when: ['FAILED'], onFailed: 'wait' },
  over: { type: 'DIRECT', when: ['FINISHED', 'FAILED'], onFailed: 'wait' },
  strict: { type: 'DIRECT', when: ['FINISHED'], onFailed: 'fail' },
  all: { type: 'ALL_OF', when: ['FINISHED'], onFailed: 'fail' },
  some: { type: 'ANY_OF', when: ['FINISHED'], onFailed: 'ignore' },
  lax: { type: 'ANY_OF', when: ['FAILED', 'PENDING'], onFailed: 'wait' },
};

const RULES: Rule[] = PATHS.map((path) => ({
  path,
  any: OF[path].type === 'ANY_OF',
  of: 'parents',
  when: { state: OF[path].when },
  areTasks: true,
  onFailed: OF[path].onFailed,
  onMissing: 'wait',
}));

/** Whether a document that is in this state now may have changed what becomes of a task that refers to it so. */
function isNews(rule: Rule, state: string, before: string): boolean {
  const isMet = (one: string) => rule.when['state']!.includes(one);
  const isDecisive = (one: string) => isMet(one) || (rule.onFailed !== 'wait' && one === 'FAILED');

  return isDecisive(state) || (rule.onFailed === 'fail' && before === 'FAILED');
}

const source = fc.nat({ max: SOURCES - 1 });
/** One dependency of a task, by the numbers of what it refers to. */
const reference = fc.tuple(fc.constantFrom(...PATHS), fc.uniqueArray(source, { minLength: 1 }));
/** Mostly one: the more a task waits for, the less tells which change it was judged for. */
const references = fc.array(reference, { minLength: 1, maxLength: 2 });
const story = fc.record({
  states: fc.array(fc.constantFrom('CREATED', 'CREATED', 'FINISHED', 'FAILED'), {
    minLength: SOURCES,
    maxLength: SOURCES,
  }),
  tasks: fc.array(references, { minLength: 1, maxLength: 12 }),
  changes: fc.array(fc.record({ at: source, state: fc.constantFrom('CREATED', 'FINISHED', 'FAILED', 'PENDING') }), {
    minLength: 1,
    maxLength: 8,
  }),
});

describe('a change of a document', () => {
  const database = useDatabase();

  const makeModels = (connection: Connection) => {
    const paths = PATHS.map((path) => {
      const { type, when, onFailed } = OF[path];
      const isDefault = when.length === 1 && when[0] === 'FINISHED';
      const dependsOn = { type, onFailed, ...(isDefault ? {} : { when: { state: { $in: [...when] } } }) };
      const reference = { type: ObjectId, ref: 'Parent' };
      return [path, type === 'DIRECT' ? { ...reference, dependsOn } : { type: [reference], dependsOn }];
    });

    return {
      Parent: connection.model('Parent', taskQueue(new Schema({})), 'parents'),
      Child: connection.model(
        'Child',
        taskQueue(new Schema({ number: Number, ...(Object.fromEntries(paths) as object) }), { recheckMs: RECHECK_MS }),
        'children',
      ),
    };
  };

  it(
    'has those judged once that wait for it, and nobody else',
    async () => {
      const monitored = await monitoredConnection(database.uri);
      const { Parent, Child } = makeModels(monitored.connection);
      await Child.pop();

      await fc.assert(
        fc.asyncProperty(story, async ({ states, tasks, changes }) => {
          await Promise.all([nativeOf(Parent).deleteMany({}), nativeOf(Child).deleteMany({})]);
          const ids = states.map(() => new Types.ObjectId());
          await nativeOf(Parent).insertMany(ids.map((_id, at) => ({ _id, state: states[at] })));
          const inputs = tasks.map((to, number) => ({
            number,
            ...Object.fromEntries(
              to.map(([path, at]) => [path, OF[path].type === 'DIRECT' ? ids[at[0]!] : at.map((one) => ids[one])]),
            ),
          }));
          await Child.push(inputs as never);
          await popAll();

          for (const { at, state } of changes) {
            const before = await readWorld();
            const old = before['parents']!.find(({ _id }) => String(_id) === String(ids[at]))!['state'] as string;
            monitored.forget();
            await nativeOf(Parent).updateOne({ _id: ids[at] }, { $set: { state } });
            await popAll();
            const counts = countSetAside(monitored.all(), 'children');

            const after = await readWorld();
            for (const child of after['children']!) {
              const mayBeJudged = RULES.some(
                (rule) =>
                  [child[rule.path] ?? []].flat().map(String).includes(String(ids[at])) && isNews(rule, state, old),
              );
              const what = JSON.stringify({ child, was: old, is: state });
              const count = counts.get(String(child['_id'])) ?? 0;
              expect([what, count <= (mayBeJudged && old !== state ? 1 : 0)]).toEqual([what, true]);
              if (child['state'] === 'RUNNING') continue;

              // Nobody is forgotten. Who waits for one clause may be doomed by another, which is seen when they are woken.
              const outcome = outcomeOf(RULES, child, after);
              if (child['state'] === 'CREATED') expect([what, outcome]).not.toEqual([what, 'ready']);
              if (child['state'] === 'FAILED') expect([what, outcome]).toEqual([what, 'doomed']);
            }
          }
        }),
        { numRuns: RUNS, endOnFailure: RUNS >= 100 },
      );

      async function popAll(): Promise<void> {
        for (let tasks = await Child.popMany(100); tasks.length > 0; tasks = await Child.popMany(100));
      }

      async function readWorld(): Promise<World> {
        const [parents, children] = await Promise.all(
          [Parent, Child].map((model) => nativeOf(model).find({}).sort({ _id: 1 }).toArray()),
        );
        return { parents: parents!, children: children! };
      }
    },
    Math.max(60_000, RUNS * 2_000),
  );
});
