import { mongo, Schema } from 'mongoose';
import { taskQueue, Worker } from 'mongoose-task-queue';
import { answered } from '../../lib/server/time-limit';
import { persistently } from '../../lib/server/transient';
import { useDatabase } from '../support/database';
import { deferred } from '../support/deferred';
import { eventually } from '../support/eventually';
import { nativeOf } from '../support/raw';

/** Longer than any operation is waited for. */
const LONG_MS = 71_000;

// The limits of operations are told apart from all other timers by their length.
jest.mock('../../lib/timers', () => {
  const timers = jest.requireActual<typeof import('../../lib/timers')>('../../lib/timers');
  const limits = new Set<() => void>();

  return {
    ...timers,
    setTimeout(listener: () => void, ms?: number) {
      if (ms !== 35_000) return timers.setTimeout(listener, ms);
      limits.add(listener);
      return { unref: (): null => null };
    },
    limits,
  };
});
const { limits } = jest.requireMock<{ limits: Set<() => void> }>('../../lib/timers');

/** So much time passes for operations under way, and for nothing else. */
function pass(ms: number): void {
  for (let passed = 0; passed + 35_000 <= ms; passed += 35_000) {
    const due = [...limits];
    limits.clear();
    for (const end of due) end();
  }
}

const never = new Promise<never>(() => {});

describe('an operation that never ends', () => {
  const database = useDatabase('replicaSet');
  let count = 0;
  const makeJob = () => {
    const schema = taskQueue(new Schema({ n: Number }), { leaseMs: 600_000 });
    return database.connection.model(`Job${++count}`, schema);
  };

  afterEach(() => jest.restoreAllMocks());

  it('counts as a lost connection after a while', async () => {
    const answer = answered(never);
    pass(LONG_MS);

    await expect(answer).rejects.toThrow(mongo.MongoNetworkTimeoutError);
  });

  it('is not taken for one while its answer may still come', async () => {
    const late = deferred<string>();
    const answer = answered(late.promise);
    pass(35_000);
    late.resolve('here');

    await expect(answer).resolves.toBe('here');
  });

  it('is made again, and its late answer is told', async () => {
    const late = deferred<string>();
    const told: string[] = [];
    const made = persistently(
      (again) => (again ? Promise.resolve('second') : late.promise),
      (result) => told.push(result),
    );
    pass(LONG_MS);

    await expect(made).resolves.toBe('second');
    late.resolve('first');
    await eventually(() => expect(told).toEqual(['first']));
  });

  it('keeps no pop from its task: what it had claimed is found by its token', async () => {
    const Job = makeJob();
    await Job.push({ n: 1 });
    await Job.isEmpty();
    const claim = nativeOf(Job).findOneAndUpdate.bind(Job.collection);
    jest.spyOn(Job.collection, 'findOneAndUpdate').mockImplementationOnce(async (...args) => {
      await (claim as (...all: unknown[]) => Promise<unknown>)(...args);
      return never;
    });

    const popping = Job.pop();
    await eventually(async () => expect(await Job.countDocuments({ state: 'RUNNING' })).toBe(1));
    pass(LONG_MS);

    expect(await popping).toMatchObject({ n: 1, attempts: 1 });
  });

  it('leaves no task to nobody when it claims after all', async () => {
    const Job = makeJob();
    await Job.push([{ n: 1 }, { n: 2 }]);
    await Job.isEmpty();
    const claim = nativeOf(Job).findOneAndUpdate.bind(Job.collection);
    const thaw = deferred();
    const frozen = jest.spyOn(Job.collection, 'findOneAndUpdate').mockImplementationOnce(async (...args) => {
      await thaw.promise;
      return (claim as (...all: unknown[]) => Promise<never>)(...args);
    });

    const popping = Job.pop();
    await eventually(() => expect(frozen).toHaveBeenCalled());
    pass(LONG_MS);
    expect(await popping).toMatchObject({ n: 1 });
    thaw.resolve();

    await eventually(async () => {
      expect(await nativeOf(Job).findOne({ n: 2 })).toMatchObject({
        state: 'CREATED',
        _task: { claims: 1, attempts: 0 },
      });
    });
  });

  it.each(['updateMany', 'bulkWrite'] as const)('does not stop a Worker: %s', async (operation) => {
    const Job = makeJob();
    await Job.isEmpty();
    const hanging = jest.spyOn(Job.collection, operation).mockImplementationOnce(() => never);
    const done = new Set<number>();
    const worker = new Worker(Job, { handler: ({ n }) => void done.add(n!), concurrency: 4, pollMs: 20 });
    await worker.start();
    await Job.push(Array.from({ length: 30 }, (_, n) => ({ n })));

    await eventually(() => expect(hanging).toHaveBeenCalled());
    pass(LONG_MS);

    await eventually(async () => expect(await Job.countDocuments({ state: 'FINISHED' })).toBe(30));
    expect(done.size).toBe(30);
    await worker.stop();
  });
});
