import fc from '../support/property';
import { mongo, Schema, type ClientSession, type Types } from 'mongoose';
import { taskQueue, Worker } from 'mongoose-task-queue';
import { snapshot } from '../../lib/settle/snapshot';
import { isBeingWritten } from '../../lib/settle/write';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { nativeOf, stored } from '../support/raw';
import { seen } from '../support/seen';
import { without } from '../support/without';

/** Of an array of Mongoose's, whose own methods the type of a field does not tell. */
function listOf(list: string[]): Types.Array<string> {
  return list as Types.Array<string>;
}

/** Makes the driver run the callback of a transaction again. */
function transient(): mongo.MongoError {
  const error = new mongo.MongoServerError({ message: 'try again' });
  error.addErrorLabel('TransientTransactionError');

  return error;
}

describe('a document of a transaction that runs again', () => {
  const database = useDatabase('replicaSet');
  const makeJob = () => {
    const part = new Schema({ name: String, sizes: [Number], note: { text: String } });
    const schema = new Schema(
      {
        count: Number,
        text: String,
        at: Date,
        bytes: Buffer,
        log: [String],
        parts: [part],
        main: part,
        nested: { deep: { value: Number, list: [Number] } },
        byName: { type: Map, of: part },
        numbers: { type: Map, of: Number },
        anything: Schema.Types.Mixed,
        grid: [[Number]],
      },
      { timestamps: true, optimisticConcurrency: true },
    );
    return database.connection.model('Job', taskQueue(schema));
  };
  let Job: ReturnType<typeof makeJob>;
  type Task = InstanceType<ReturnType<typeof makeJob>>;

  beforeAll(async () => {
    Job = makeJob();
    await Job.ensureTaskIndexes();
  });

  const fields = () => ({
    count: 1,
    text: 'a',
    at: new Date(0),
    bytes: Buffer.from('abc'),
    log: ['pushed'],
    parts: [
      { name: 'one', sizes: [1], note: { text: 'n' } },
      { name: 'two', sizes: [2] },
    ],
    main: { name: 'main', sizes: [0], note: { text: 'm' } },
    nested: { deep: { value: 1, list: [1] } },
    byName: { x: { name: 'x', sizes: [] } },
    numbers: { a: 1 },
    anything: { list: [1], of: { a: 1 } },
    grid: [[1], [2]],
  });

  const popped = async () => {
    await Job.push(fields());
    return (await Job.pop())!;
  };

  beforeEach(() => Job.deleteMany());

  const CHANGES: Record<string, (task: Task) => void> = {
    set: (task) => void (task.text = `${task.text}+`),
    add: (task) => void (task.count = (task.count ?? 0) + 1),
    increment: (task) => void task.$inc('count', 10),
    unset: (task) => void task.set('text', undefined),
    'set null': (task) => void (task.count = null),
    'move a date': (task) => {
      task.at?.setTime(task.at.getTime() + 1_000);
      task.markModified('at');
    },
    'write bytes': (task) => {
      task.bytes?.writeUInt8(((task.bytes.at(0) ?? 0) + 1) % 256, 0);
      task.markModified('bytes');
    },
    push: (task) => void task.log.push(`push ${task.log.length}`),
    unshift: (task) => void task.log.unshift('first'),
    pull: (task) => void listOf(task.log).pull('pushed'),
    pop: (task) => void task.log.pop(),
    'add to set': (task) => void listOf(task.log).addToSet('pushed', 'other'),
    replace: (task) => void task.set('log', [...task.log].reverse()),
    'set an element': (task) => void listOf(task.log).set(0, `${task.log[0] ?? ''}!`),
    'push a part': (task) => void task.parts.push({ name: 'more', sizes: [] }),
    'pull a part': (task) => void task.parts[0]?.deleteOne(),
    'edit a part': (task) => {
      if (task.parts[0]) task.parts[0].name = `${task.parts[0].name ?? ''}*`;
    },
    'edit in a part': (task) => void task.parts.at(-1)?.sizes.push(7),
    'replace the parts': (task) => void task.set('parts', [{ name: 'only' }]),
    'edit the main part': (task) => void task.main?.sizes.push(task.main.sizes.length),
    'replace the main part': (task) => void task.set('main', { name: 'other' }),
    'drop the main part': (task) => void task.set('main', undefined),
    'set deep': (task) => void (task.nested!.deep!.value = (task.nested!.deep!.value ?? 0) + 1),
    'push deep': (task) => void task.nested!.deep!.list.push(2),
    'add to a map': (task) => void task.byName?.set('y', { name: 'y' } as never),
    'edit in a map': (task) => void task.byName?.get('x')?.sizes.push(3),
    'count in a map': (task) => void task.numbers?.set('a', Number(task.numbers.get('a') ?? 0) + 1),
    'drop from a map': (task) => void task.numbers?.delete('a'),
    'edit anything': (task) => {
      (task.anything as { list: number[] }).list.push(1);
      (task.anything as { of: Record<string, number> }).of['b'] = 2;
      task.markModified('anything');
    },
    'edit a grid': (task) => void (task.grid as unknown as number[][])[0]?.push(9),
    'set several': (task) => void task.set({ count: (task.count ?? 0) + 2, main: { name: 'set' } }),
    'set none': (task) => void task.set({}),
    'set the version': (task) => void (task as unknown as { increment(): Task }).increment(),
  };

  const VERBS: Record<string, (task: Task, session: ClientSession) => Promise<unknown>> = {
    save: (task, session) => task.save({ session }),
    bulkSave: (task, session) => Job.bulkSave([task], { session }),
    finish: (task, session) => task.finish({ session }),
    fail: (task, session) => task.fail(undefined, { session }),
    retry: (task, session) => task.retry({ session, delayMs: 1 }),
    release: (task, session) => task.release({ session }),
  };

  interface Program {
    origin: 'popped' | 'new' | 'stored';
    before: string[];
    /** Changes within the transaction, before its first write. */
    within: string[];
    /** Changes after the first write of the transaction and before the last. */
    between: string[];
    first: string;
    last: string;
  }

  const apply = (task: Task, names: readonly string[]) => names.forEach((name) => CHANGES[name]!(task));

  const make = async ({ origin }: Program): Promise<Task> => {
    await Job.deleteMany();
    if (origin === 'popped') return popped();
    return origin === 'new' ? new Job(fields()) : await new Job(fields()).save();
  };

  const run = async (
    task: Task,
    { within, first, between, last, origin }: Program,
    session: ClientSession,
  ): Promise<void> => {
    const verb = (name: string) => (origin === 'popped' ? VERBS[name]! : (one: Task) => one.push({ session }));
    if (origin === 'popped') apply(task, within);
    await (origin === 'popped' ? VERBS[first]!(task, session) : task.save({ session }));
    apply(task, between);
    await verb(last)(task, session);
  };

  const IGNORED = ['_id', 'createdAt', 'updatedAt', '_task'];
  const plain = (raw: object) =>
    JSON.parse(
      JSON.stringify(without(raw, ...IGNORED), (name, value: unknown) => (name === '_id' ? 0 : value)),
    ) as object;
  const outcome = async (program: Program, again: number, abort: number): Promise<unknown> => {
    const task = await make(program);
    apply(task, program.before);
    const facts = () => JSON.parse(JSON.stringify({ ...seen(task), modified: task.directModifiedPaths() })) as object;
    const before = facts();
    let runs = 0;
    for (let i = 0; i < abort; i++) {
      const aborted = database.connection.transaction(async (session) => {
        await run(task, program, session);
        throw new Error('on second thought');
      });
      await expect(aborted).rejects.toThrow('on second thought');
      expect(facts()).toEqual(before);
    }
    await database.connection.transaction(async (session) => {
      await run(task, program, session);
      if (runs++ < again) throw transient();
    });

    return {
      stored: plain(await stored(Job, task._id)),
      here: plain(task.toObject({ flattenMaps: true })),
      modified: task.directModifiedPaths(),
    };
  };

  const ways: Record<string, (work: (session: ClientSession) => Promise<unknown>) => Promise<unknown>> = {
    'connection.transaction()': (work) => database.connection.transaction(work),
    'session.withTransaction()': (work) =>
      database.connection.withSession((session) => session.withTransaction(() => work(session))),
    'the session of the client': (work) =>
      database.connection.getClient().withSession((session) => session.withTransaction(() => work(session as never))),
  };

  it.each(Object.entries(ways))('has what its callback changed once, under %s', async (_name, transact) => {
    const task = await popped();
    const { log, parts } = task;
    task.log.push('before');
    let runs = 0;

    await transact(async (session) => {
      task.count! += 1;
      task.log.push(`run ${++runs}`);
      task.parts[0]!.name = `${task.parts[0]!.name ?? ''}*`;
      await task.save({ session });
      task.log.push('after');
      await task.finish({ session });
      if (runs < 3) throw transient();
    });

    expect(await stored(Job, task._id)).toMatchObject({
      state: 'FINISHED',
      count: 2,
      log: ['pushed', 'before', 'run 3', 'after'],
      parts: [{ name: 'one*' }, { name: 'two' }],
    });
    expect([...task.log]).toEqual(['pushed', 'before', 'run 3', 'after']);
    expect([task.log, task.parts]).toEqual([log, parts]);
  });

  it('is put back with the others that the transaction wrote, and no other', async () => {
    await Job.push([{ count: 1 }, { count: 2 }, { count: 3 }]);
    const [one, two, three] = await Job.popMany(3);
    const fresh = new Job({ count: 4 });

    const aborted = database.connection.transaction(async (session) => {
      one!.count = 10;
      two!.count = 20;
      await Promise.resolve(two!.fail(undefined, { session }));
      await one!.finish({ session });
      await fresh.push({ session });
      // Meanwhile another handler of this process ends its task, in no transaction.
      three!.count = 30;
      await three!.finish();
      throw new Error('on second thought');
    });

    await expect(aborted).rejects.toThrow('on second thought');
    expect([one, two, three].map((task) => [task!.count, task!.state])).toEqual([
      [1, 'RUNNING'],
      [2, 'RUNNING'],
      [30, 'FINISHED'],
    ]);
    expect([one!.lease, two!.lease, three!.lease].map(Boolean)).toEqual([true, true, false]);
    expect(fresh.isNew).toBe(true);
    await one!.finish();
    expect(await Job.countDocuments({ state: 'FINISHED' })).toBe(2);
  });

  it('can be put back while a write of it is under way', async () => {
    await Job.push({});
    const task = (await Job.pop())!;
    const restore = snapshot(task as never);
    const finished = task.finish();
    while (!isBeingWritten(task as never)) await Promise.resolve();
    restore();

    expect(await finished).toBe(task);
    expect(isBeingWritten(task as never)).toBe(false);
  });

  it('has what the handler of a worker changed once', async () => {
    await Job.push(fields());
    let runs = 0;
    const worker = new Worker(Job, {
      handler: (task) =>
        database.connection.transaction(async (session) => {
          task.log.push('handled');
          await task.finish({ session });
          if (++runs < 3) throw transient();
        }),
    });

    await worker.start();
    const raw = await eventually(async () => {
      const found = await nativeOf(Job).findOne({ state: 'FINISHED' });
      expect(found).not.toBeNull();
      return found as mongo.Document;
    });
    await worker.stop();

    expect(raw).toMatchObject({ log: ['pushed', 'handled'] });
  });

  it('keeps what a renewal made of its lease meanwhile', async () => {
    const task = await popped();
    const before = task.lease!;

    const aborted = database.connection.transaction(async (session) => {
      await task.save({ session });
      await task.renew(3_600_000);
      throw new Error('on second thought');
    });

    await expect(aborted).rejects.toThrow('on second thought');
    expect(task.lease!.until.getTime()).toBeGreaterThan(before.until.getTime());
  });

  const changes = fc.array(fc.constantFrom(...Object.keys(CHANGES)), { maxLength: 5 });
  const program: fc.Arbitrary<Program> = fc.record({
    origin: fc.constantFrom('popped', 'popped', 'new', 'stored'),
    before: changes,
    within: changes,
    between: changes,
    first: fc.constantFrom('save', 'bulkSave'),
    last: fc.constantFrom('save', 'finish', 'fail', 'retry', 'release'),
  });

  it('ends as if it had run once', async () => {
    await fc.assert(
      fc.asyncProperty(program, fc.nat(2), fc.nat(2), async (one, again, abort) => {
        const once = await outcome(one, 0, 0).catch((error: Error) => error.name);
        if (typeof once === 'string') return;
        expect(await outcome(one, again, abort)).toEqual(once);
      }),
      { numRuns: Number(process.env['RUNS'] ?? 60) },
    );
  });
});
