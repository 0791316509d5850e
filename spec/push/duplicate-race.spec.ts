import { Schema } from 'mongoose';
import { type OnDuplicate, taskQueue } from 'mongoose-task-queue';
import { useDatabase } from '../support/database';
import { nativeOf } from '../support/raw';
import { propertyRuns } from '../support/property';

const PUSHERS = 50;
const ROUNDS = propertyRuns(2);
const LIVE = { $in: ['CREATED', 'RUNNING'] };

/** Pushers of one key at once, and two consumers that finish, fail, retry and put back what they get. */
describe('a race of pushers of one key', () => {
  const database = useDatabase();
  const makeJob = () =>
    database.connection.model(
      'Job',
      taskQueue(new Schema({ number: Number, parts: [Number] }), { maxAttempts: 2, backoff: () => 0 }),
    );
  let Job: ReturnType<typeof makeJob>;

  beforeAll(async () => {
    Job = makeJob();
    await Job.ensureTaskIndexes();
  });

  it.each(['keep', 'replace', 'debounce', 'after', 'supersede'] as const)(
    `with \`%s\` never begins two tasks side by side, and loses nothing (${ROUNDS} rounds)`,
    async (mode) => {
      for (let round = 0; round < ROUNDS; round++) await race(mode, `${mode}-${round}`);
    },
    240_000 + ROUNDS * 10_000,
  );

  async function race(mode: OnDuplicate, key: string): Promise<void> {
    await Job.deleteMany({});
    const options = { key, onDuplicate: mode, ...(mode === 'debounce' && { delayMs: 0 }) };
    let isOver = false;
    let running = 0;
    let said = -1;
    const done: number[] = [];
    const consume = async (): Promise<void> => {
      for (;;) {
        const task = await Job.pop();
        if (!task) {
          if (isOver && (await nativeOf(Job).countDocuments({ state: LIVE })) === 0) return;
          continue;
        }
        expect(++running).toBe(1);
        const number = task.number!;
        await new Promise((resolve) => setImmediate(resolve));
        running--;
        done.push(number);
        const choice = Math.random();
        if (choice < 0.3) await task.retry({ delayMs: 0, error: 'no luck' });
        else if (choice < 0.4) await task.release();
        else if (choice < 0.6) await task.fail(new Error('no luck'));
        else await task.finish();
      }
    };
    const push = async (number: number): Promise<void> => {
      const pushed = await Job.push({ number, parts: [number] }, options);
      if (pushed.pushOutcome === 'kept') expect(mode).toBe('keep');
      else expect(pushed.number).toBe(number);
    };

    const consumers = [consume(), consume()];
    await Promise.all(Array.from({ length: PUSHERS }, (_, number) => push(number)));
    // What is said last, after the answers to all others, is what is run last.
    if (mode !== 'keep') await push((said = PUSHERS));
    const waiting = await nativeOf(Job).countDocuments({ state: LIVE });
    expect(waiting).toBeLessThanOrEqual(2);
    isOver = true;
    await Promise.all(consumers);

    if (mode !== 'keep') expect(done.at(-1)).toBe(said);
    const left = await nativeOf(Job).find({}).toArray();
    expect(left.filter(({ _task: task }) => task.behind !== undefined || typeof task.key !== 'string')).toEqual([]);
    expect(left.filter(({ number, parts }) => parts.length !== 1 || parts[0] !== number)).toEqual([]);
  }
});
