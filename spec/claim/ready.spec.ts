import { Schema, type Model, type mongo } from 'mongoose';
import { State, taskQueue } from '../../lib';
import { definitionOf } from '../../lib/definition/definition';
import { DEFAULT_FIELDS, type FieldNames } from '../../lib/fields';
import { readyQuery } from '../../lib/claim/ready';
import { type MonitoredConnection, monitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { nativeOf } from '../support/raw';
import { without } from '../support/without';

/* oxlint-disable-next-line typescript/no-explicit-any */
type AnyModel = Model<any, any, any, any, any, any>;
interface Queue extends AnyModel {
  pop(options?: object): Promise<unknown>;
  popMany(limit: number, options?: object): Promise<unknown[]>;
  isEmpty(options?: object): Promise<boolean>;
}

interface Stage extends mongo.Document {
  stage: string;
  inputStage?: Stage;
  inputStages?: Stage[];
}

const PRIORITIES = [100, 3, 2, 1, 0, -1, -100];
/** Tasks of each priority in each situation in which a task is not ready. */
const EACH = 200;
const HOUR_MS = 3_600_000;

/** The plan of a command and what it cost. */
interface Explained {
  readonly stages: string[];
  readonly scans: Stage[];
  readonly keys: number;
  readonly documents: number;
}

interface Case {
  make(connection: MonitoredConnection['connection']): AnyModel;
  options?: object;
  fields?: Partial<FieldNames>;
  index: string;
  /** Ranges of the index that are read side by side. */
  scans: number;
}

const plain = () => new Schema({ to: String }, { autoCreate: false, autoIndex: false });
const cases: Record<string, Case> = {
  'of all': {
    make: (connection) => connection.model('All', taskQueue(plain())),
    index: 'task_claim',
    scans: 1,
  },
  'of all categories': {
    make: (connection) => connection.model('AllCategories', taskQueue(plain(), { category: true })),
    index: 'task_claim',
    scans: 1,
  },
  'of one category': {
    make: (connection) => connection.model('OneCategory', taskQueue(plain(), { category: true })),
    options: { category: 'a' },
    index: 'task_category',
    scans: 1,
  },
  'of several categories': {
    make: (connection) => connection.model('Categories', taskQueue(plain(), { category: true })),
    options: { category: ['a', 'b', 'c'] },
    index: 'task_category',
    scans: 3,
  },
  'of a kind': {
    make: (connection) => connection.model('Base', taskQueue(plain())).discriminator('Kind', new Schema({ n: Number })),
    index: 'task_claim_Kind',
    scans: 1,
  },
  'of several categories of a kind with other names': {
    make: (connection) =>
      connection
        .model(
          'Other',
          taskQueue(plain(), {
            category: true,
            fields: { state: 'taskState', priority: 'urgency', category: 'lane', createdAt: 'at' },
          }),
        )
        .discriminator('OtherKind', new Schema({ n: Number })),
    options: { category: new Set(['a', 'b']) },
    fields: { state: 'taskState', priority: 'urgency', category: 'lane' },
    index: 'task_category_OtherKind',
    scans: 2,
  },
};

describe.each(Object.entries(cases))('the next ready task %s', (_, { make, options, fields, index, scans }) => {
  const database = useDatabase();
  const names = { ...DEFAULT_FIELDS, ...fields };
  let monitored: MonitoredConnection;
  let model: Queue;
  /** What `pop()`, `isEmpty()` and `popMany(10)` send. */
  let commands: { pop: mongo.Document; isEmpty: mongo.Document; popMany: mongo.Document };

  beforeAll(async () => {
    monitored = await monitoredConnection(database.uri);
    model = make(monitored.connection) as Queue;
    await model.pop(options);
    await insert(crowd());
    commands = {
      pop: await sentBy('findAndModify', () => model.pop(options)),
      isEmpty: await sentBy('find', () => model.isEmpty(options)),
      popMany: await sentBy('find', () => model.popMany(10, options)),
    };
  });
  afterEach(() => nativeOf(model).deleteMany({ head: true }));
  afterAll(() => monitored.connection.destroy());

  const task = (priority: number, state: string, availableInMs: number) => ({
    [names.priority]: priority,
    [names.state]: state,
    ...kind(),
    _task: { availableAt: new Date(Date.now() + availableInMs) },
  });

  const kind = () => (model.baseModelName ? { __t: model.modelName } : {});
  const ofCategories = (documents: object[]) =>
    documents.map((document, at) => ({ ...document, [names.category]: 'abcd'[at % 4] }));

  /** Thousands that are not ready, of all priorities and categories; ready ones only of another kind. */
  function crowd(): object[] {
    const ofPriority = (priority: number) => [
      ...Array.from({ length: EACH }, (__, at) => task(priority, State.CREATED, HOUR_MS + at)),
      ...Array.from({ length: EACH }, (__, at) => task(priority, State.RUNNING, HOUR_MS + at)),
      ...Array.from({ length: EACH }, () => task(priority, State.FINISHED, -HOUR_MS)),
      ...Array.from({ length: EACH }, () => task(priority, State.FAILED, -HOUR_MS)),
      ...(model.baseModelName
        ? Array.from({ length: EACH }, () => ({ ...task(priority, State.CREATED, -HOUR_MS), __t: 'Another' }))
        : []),
    ];
    return ofCategories(PRIORITIES.flatMap(ofPriority));
  }

  async function insert(documents: object[]): Promise<void> {
    await nativeOf(model).insertMany(documents);
  }

  /** Ready tasks, as many in each of the four categories. */
  async function insertReady(priority: number, length: number): Promise<void> {
    const ready = Array.from({ length }, (__, at) => ({ ...task(priority, State.CREATED, at - HOUR_MS), head: true }));
    await insert(ofCategories(ready));
  }

  /** The command that a call sends, in the form in which the server explains it. */
  async function sentBy(name: string, call: () => Promise<unknown>): Promise<mongo.Document> {
    monitored.forget();
    await call();
    return without(monitored.sent(name)[0]!.body, 'lsid', '$db', '$readPreference', 'maxTimeMS');
  }

  async function explain(command: mongo.Document): Promise<Explained> {
    const { queryPlanner, executionStats } = await monitored.connection.db!.command({
      explain: command,
      verbosity: 'executionStats',
    });
    const stages = flatten(queryPlanner.winningPlan as Stage);
    return {
      stages: stages.map(({ stage }) => stage),
      scans: stages.filter(({ stage }) => stage === 'IXSCAN'),
      keys: executionStats.totalKeysExamined as number,
      documents: executionStats.totalDocsExamined as number,
    };
  }

  it.each(['pop', 'isEmpty', 'popMany'] as const)('is what %s() asks for', (verb) => {
    const { filter, hint, order } = readyQuery(definitionOf(model), (options as { category?: string[] })?.category);
    const { query, filter: found, sort, hint: hinted } = commands[verb];

    expect(hinted).toBe(index);
    expect(hint).toBe(index);
    expect(query ?? found).toEqual(filter);
    // A claim sorts only where the order of the index is not the order of the tasks.
    if (verb === 'pop' && scans === 1) expect(sort).toBeUndefined();
    else expect(sort instanceof Map ? [...sort] : Object.entries(sort)).toEqual(Object.entries(order));
  });

  it.each(['pop', 'isEmpty', 'popMany'] as const)(
    'is found by %s() in its index, bounded by the clock',
    async (verb) => {
      const { stages, scans: found } = await explain(commands[verb]);

      for (const stage of ['COLLSCAN', 'SORT', 'SORT_KEY_GENERATOR', 'OR']) expect(stages).not.toContain(stage);
      expect(stages.includes('SORT_MERGE')).toBe(scans > 1);
      expect(found).toHaveLength(scans);
      for (const { indexName, isPartial, indexBounds } of found) {
        expect({ indexName, isPartial }).toEqual({ indexName: index, isPartial: true });
        expect(indexBounds[names.priority]).toEqual(['[MaxKey, MinKey]']);
        expect(indexBounds['_task.availableAt']).toEqual([expect.stringMatching(/new Date\(\d+\)\]$/)]);
      }
    },
  );

  it('costs one key and one document among thousands that are not ready', async () => {
    await insertReady(PRIORITIES[0]!, 8);

    for (const command of [commands.pop, commands.isEmpty]) {
      expect(await explain(command)).toMatchObject({ keys: scans, documents: 1 });
    }
  });

  it('costs one key more for each higher priority, however many wait there', async () => {
    for (const [higher, priority] of PRIORITIES.entries()) {
      await insertReady(priority, 8);

      for (const command of [commands.pop, commands.isEmpty]) {
        const { keys, documents } = await explain(command);
        expect(keys).toBeLessThanOrEqual(scans * (higher + 1));
        expect(documents).toBe(1);
      }
      await nativeOf(model).deleteMany({ head: true });
    }
  });

  it('costs one key for each priority when there is none', async () => {
    for (const command of [commands.pop, commands.isEmpty]) {
      const { keys, documents } = await explain(command);
      expect(keys).toBeLessThanOrEqual(scans * (PRIORITIES.length + 1));
      expect(documents).toBe(0);
    }
  });

  it('costs one key for each of ten that are taken at once', async () => {
    await insertReady(PRIORITIES.at(-1)!, 80);

    const { keys, documents } = await explain(commands.popMany);

    expect(keys).toBeLessThanOrEqual(10 + scans * PRIORITIES.length);
    expect(documents).toBe(10);
  });

  it('is also one that another program wrote without a priority and a time', async () => {
    await insert([{ [names.state]: State.CREATED, [names.category]: 'a', ...kind(), head: true }]);

    const { keys, documents } = await explain(commands.pop);

    expect(keys).toBeLessThanOrEqual(scans * (PRIORITIES.length + 1));
    expect(documents).toBe(1);
  });
});

function flatten(stage: Stage): Stage[] {
  const inputs = [...(stage.inputStages ?? []), ...(stage.inputStage ? [stage.inputStage] : [])];
  return [stage, ...inputs.flatMap(flatten)];
}
