import { createConnection, mongo, Schema, Types } from 'mongoose';
import { taskQueue, Worker, type WorkerOptions } from 'mongoose-task-queue';
import { hostile } from '../hostile';
import { readInput, say } from './talk';

/**
 * Goes through what can go wrong in a process with many tasks, one after the other, and says each it survived. Run with
 * `--unhandled-rejections=strict`, an unhandled rejection ends it.
 */
const { uri } = readInput<{ uri: string }>();
const connection = createConnection(uri);
const broken = new Error('out of order');
const other = { type: Schema.Types.ObjectId, ref: 'NotDefined' };
let number = 0;

function makeJob(options: { leaseMs?: number; maxAttempts?: number } = {}) {
  return connection.model(
    `Job${++number}`,
    taskQueue(new Schema({ n: Number, other }), { maxAttempts: 1, ...options }),
  );
}
type Jobs = ReturnType<typeof makeJob>;

const jobs = (count: number) => Array.from({ length: count }, (_, n) => ({ n, other: new Types.ObjectId() }));

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Works on so many tasks until so many of its events were told, the unheard ones counted as well. */
async function work(
  Job: Jobs,
  count: number,
  options: WorkerOptions<InstanceType<Jobs>>,
  listen: (worker: Worker<InstanceType<Jobs>>) => void,
  told = count,
) {
  await Job.push(jobs(count));
  const worker = new Worker(Job, { pollMs: 20, handler: () => {}, ...options });
  let heard = 0;
  for (const name of ['finished', 'failed', 'retried', 'released', 'lost', 'error'] as const)
    worker.prependListener(name as 'error', () => void heard++);
  listen(worker);
  await worker.start();
  await until(() => heard >= told);
  await worker.stop({ timeoutMs: 50 });
}

/** Every second call of a method of the collection fails as a cut connection does. */
function cut(Job: Jobs, method: string): void {
  const collection = Job.collection as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  const original = collection[method]!;
  let calls = 0;
  collection[method] = async (...args) => {
    if (++calls % 2 === 1) throw new mongo.MongoNetworkError('cut');
    return original.apply(collection, args);
  };
}

const scenarios: Record<string, () => Promise<unknown>> = {
  'a populate that fails in every part of a large claim': () =>
    work(makeJob(), 1_000, { concurrency: 1_000, populate: 'other' }, (worker) => worker.on('error', () => {}), 1),
  'cut connections at a large claim': () => {
    const Job = makeJob();
    for (const method of ['updateMany', 'bulkWrite', 'findOneAndUpdate']) cut(Job, method);
    return work(Job, 600, { concurrency: 600 }, (worker) => worker.on('error', () => {}));
  },
  'a source that fails while a part of it is pushed': async () => {
    async function* inputs() {
      for (let n = 0; n < 500; n++) yield { n };
      throw broken;
    }
    await makeJob()
      .push(inputs())
      .catch(() => {});
  },
  'a source that fails while a part of it is refused': async () => {
    async function* inputs() {
      for (let n = 0; n < 500; n++) yield { n: n === 499 ? ('no number' as never) : n };
      throw broken;
    }
    await makeJob()
      .push(inputs())
      .catch(() => {});
  },
  'listeners that reject': () =>
    work(makeJob(), 3, {}, (worker) => {
      for (const name of ['started', 'finished', 'idle', 'stopped', 'error'] as const)
        worker.on(name, (() => Promise.reject(broken)) as () => void);
    }),
  'an `onError` that throws at a renewal': async () => {
    const Job = makeJob({ leaseMs: 60 });
    await Job.push({ n: 1 });
    let calls = 0;
    const onError = () => {
      calls++;
      throw broken;
    };
    for await (const job of Job.queue({ onError })) {
      await Job.collection.deleteOne({ _id: job._id });
      await until(() => calls > 0);
      break;
    }
  },
  'an `onError` that rejects': async () => {
    const Job = makeJob({ leaseMs: 60 });
    let calls = 0;
    const queue = Job.queue({
      pollMs: 5,
      populate: 'other',
      onError: () => (calls++, Promise.reject(broken)) as never,
    });
    const pending = queue.next();
    await Job.push(jobs(1));
    await until(() => calls > 1);
    await queue.return();
    await pending;
  },
  'an error listener of the model that throws': async () => {
    const Job = makeJob({ leaseMs: 20 });
    await Job.push({ n: 1 });
    await Job.pop();
    Job.on('error', () => {
      throw broken;
    });
    while ((await Job.countDocuments({ state: 'FAILED' })) === 0) await Job.pop();
  },
  'a stop while everything hangs': async () => {
    const Job = makeJob();
    await Job.push(jobs(2));
    const hang = () => new Promise<never>((_, reject) => setTimeout(reject, 1_000, broken));
    const worker = new Worker(Job, { concurrency: 2, pollMs: 20, handler: hang });
    worker.on('error', () => {});
    let started = 0;
    worker.on('started', () => started++);
    await worker.start();
    await until(() => started === 2);
    for (const method of ['updateOne', 'updateMany', 'bulkWrite', 'findOneAndUpdate'] as const)
      (Job.collection as unknown as Record<string, unknown>)[method] = hang;
    await worker.stop({ timeoutMs: 10 });
    await new Promise((resolve) => setTimeout(resolve, 1_200));
  },
  ...Object.fromEntries(
    Object.entries(hostile).flatMap(([name, thrown]) => {
      const refuse = () => {
        throw thrown;
      };
      return [
        [`a handler that throws ${name}`, () => work(makeJob(), 1, { handler: refuse }, () => {})],
        [
          `listeners that throw ${name}`,
          () =>
            work(makeJob(), 1, {}, (worker) => {
              for (const event of ['started', 'finished', 'idle', 'error'] as const) worker.on(event, refuse);
            }),
        ],
        [
          `a logger that throws ${name}`,
          () => work(makeJob(), 1, { logger: { debug: refuse, info: refuse, warn: refuse, error: refuse } }, () => {}),
        ],
      ];
    }),
  ),
};

async function main() {
  await connection.asPromise();
  for (const [name, scenario] of Object.entries(scenarios)) {
    await scenario();
    // Node tells of a rejection once the microtasks are done.
    await new Promise((resolve) => setTimeout(resolve, 20));
    say({ survived: name });
  }
  say({ done: Object.keys(scenarios).length });
  await connection.destroy();
}

void main();
