import { Schema } from 'mongoose';
import { type OnDuplicate, taskQueue } from 'mongoose-task-queue';
import { useDatabase } from '../support/database';
import { nativeOf } from '../support/raw';
import { propertyRuns } from '../support/property';

/** Each waits for the writes of all others: half as many in a usual run. */
const PUSHERS = process.env['PROPERTY_RUNS'] === undefined ? 25 : 50;
const ROUNDS = propertyRuns(1);
/** So many keys are raced for side by side. */
const AT_ONCE = 10;
const LIVE = { $in: ['CREATED', 'RUNNING'] };

/** Many pushers of each key at once, and two consumers that finish, fail, retry and put back what they get. */
describe('a race of pushers of one key', () => {
  const database = useDatabase();
  const makeJob = () =>
    database.connection.model(
      'Job',
      taskQueue(new Schema({ name: String, number: Number, parts: [Number] }), { maxAttempts: 2, backoff: () => 0 }),
    );
  let Job: ReturnType<typeof makeJob>;

  beforeAll(async () => {
    Job = makeJob();
    await Job.ensureTaskIndexes();
  });

  it.each(['keep', 'replace', 'debounce', 'after', 'supersede'] as const)(
    `with \`%s\` never begins two tasks side by side, and loses nothing (${ROUNDS} keys)`,
    async (mode) => {
      for (let first = 0; first < ROUNDS; first += AT_ONCE)
        await race(
          mode,
          Array.from({ length: Math.min(AT_ONCE, ROUNDS - first) }, (_, index) => `${mode}-${first + index}`),
        );
    },
    240_000 + ROUNDS * 10_000,
  );

  /** What became of one key. */
  interface Told {
    running: number;
    readonly done: number[];
  }

  async function race(mode: OnDuplicate, keys: readonly string[]): Promise<void> {
    await Job.deleteMany({});
    const told = new Map<string, Told>(keys.map((key) => [key, { running: 0, done: [] }]));
    let isOver = false;
    const consumers = [0, 1].map(() => consume(told, () => isOver));
    await Promise.all(keys.map((key) => pushAll(mode, key)));
    isOver = true;
    await Promise.all(consumers);

    for (const { done } of told.values()) if (mode !== 'keep') expect(done.at(-1)).toBe(PUSHERS);
    const left = await nativeOf(Job).find({}).toArray();
    expect(left.filter(({ _task: task }) => task.behind !== undefined || typeof task.key !== 'string')).toEqual([]);
    expect(left.filter(({ number, parts }) => parts.length !== 1 || parts[0] !== number)).toEqual([]);
  }

  async function pushAll(mode: OnDuplicate, name: string): Promise<void> {
    const options = { key: name, onDuplicate: mode, ...(mode === 'debounce' && { delayMs: 0 }) };
    const push = async (number: number): Promise<void> => {
      const pushed = await Job.push({ name, number, parts: [number] }, options);
      if (pushed.pushOutcome === 'kept') expect(mode).toBe('keep');
      else expect(pushed.number).toBe(number);
    };
    await Promise.all(Array.from({ length: PUSHERS }, (_, number) => push(number)));
    // What is said last, after the answers to all others, is what is run last.
    if (mode !== 'keep') await push(PUSHERS);

    expect(await nativeOf(Job).countDocuments({ name, state: LIVE })).toBeLessThanOrEqual(2);
  }

  async function consume(told: ReadonlyMap<string, Told>, isOver: () => boolean): Promise<void> {
    for (;;) {
      const task = await Job.pop();
      if (!task) {
        if (isOver() && (await nativeOf(Job).countDocuments({ state: LIVE })) === 0) return;
        continue;
      }
      const one = told.get(task.name!)!;
      expect(++one.running).toBe(1);
      await new Promise((resolve) => setImmediate(resolve));
      one.running--;
      one.done.push(task.number!);
      const choice = Math.random();
      if (choice < 0.3) await task.retry({ delayMs: 0, error: 'no luck' });
      else if (choice < 0.4) await task.release();
      else if (choice < 0.6) await task.fail(new Error('no luck'));
      else await task.finish();
    }
  }
});
