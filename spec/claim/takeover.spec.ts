import fc from '../support/property';
import { Schema } from 'mongoose';
import { constant, taskQueue, type Backoff } from 'mongoose-task-queue';
import { takeoverAt, waitAfterLease } from '../../lib/claim/takeover';
import type { ResolvedOptions } from '../../lib/options';
import { useDatabase } from '../support/database';
import { endLease, nativeOf, stored } from '../support/raw';

const LEASE_MS = 1_000;
const BACKOFF_MS = 60_000;

describe('the wait after a lease that ended', () => {
  const options = (backoff: Backoff, maxAttempts = 5) => ({ backoff, maxAttempts }) as ResolvedOptions;

  it.each([
    [1, 0],
    [2, 10],
    [3, 20],
    [4, 30],
    [5, 0],
    [6, 0],
  ])('of attempt %i of 5 is %i ms, with a backoff of 10 ms more for each', (attempt, expected) => {
    expect(
      waitAfterLease(
        attempt,
        options((number) => number * 10),
      ),
    ).toBe(expected);
  });

  it.each<[string, Backoff]>([
    ['is no number', () => Number.NaN],
    ['is none', () => Number.POSITIVE_INFINITY],
    ['is negative', () => -5],
    ['is nothing', () => undefined as never],
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
  ])('is none where the backoff %s: a claim must not fail of it', (_, backoff) => {
    expect(waitAfterLease(2, options(backoff))).toBe(0);
  });

  it('is a whole number that a timer can wait, whatever the backoff gives', () => {
    fc.assert(
      fc.property(fc.double(), fc.nat(100), (wait, attempt) => {
        const waited = waitAfterLease(
          attempt,
          options(() => wait, 50),
        );

        expect(Number.isInteger(waited) && waited >= 0 && waited < 2 ** 31).toBe(true);
      }),
    );
  });

  describe('as the server computes it', () => {
    const database = useDatabase();

    it.each([
      [0, 1],
      [1, 2],
      [2, 3],
      [3, 4],
      [4, 0],
      [5, 0],
      [null, 1],
    ])('of a task that was claimed %p times is that of the attempt', async (made, expected) => {
      const all = { ...options((number) => (number + 1) * 1_000), leaseMs: LEASE_MS } as ResolvedOptions;
      const tasks = database.connection.db!.collection('tasks');
      const { insertedId: _id } = await tasks.insertOne({ made });

      await tasks.updateOne({ _id }, [{ $set: { until: takeoverAt('$made', all), now: '$$NOW' } }]);

      const { until, now } = (await tasks.findOne({ _id })) as unknown as { until: Date; now: Date };
      expect(until.getTime() - now.getTime()).toBe(LEASE_MS + (expected > 1 ? expected * 1_000 : 0));
    });
  });
});

describe('a task whose lease ended', () => {
  const database = useDatabase();
  const make = () =>
    database.connection.model(
      'Job',
      taskQueue(new Schema({}), { leaseMs: LEASE_MS, maxAttempts: 3, backoff: constant(BACKOFF_MS) }),
    );
  let Job: ReturnType<typeof make>;
  beforeAll(() => {
    Job = make();
  });
  beforeEach(() => nativeOf(Job).deleteMany({}));

  const waits = async (id: unknown) => {
    const { availableAt, startedAt } = (await stored(Job, id))['_task'] as { availableAt: Date; startedAt: Date };
    return availableAt.getTime() - startedAt.getTime() - LEASE_MS;
  };

  it('is handed out again at once after its first attempt', async () => {
    const { _id } = await Job.push({});
    await Job.pop();

    expect(await waits(_id)).toBe(0);
  });

  it('waits for the backoff from its second attempt on, so that what kills its workers does not take all of them down', async () => {
    const { _id } = await Job.push({});
    await Job.pop();
    await endLease(Job, _id);
    const second = await Job.pop();

    expect(await waits(_id)).toBe(BACKOFF_MS);
    // The holder is told when its lease ends, not when the task is handed out again.
    expect(second!.lease!.until.getTime() - Date.now()).toBeLessThan(BACKOFF_MS);
  });

  it('waits for it after a renewal as well', async () => {
    const { _id } = await Job.push({});
    await Job.pop();
    await endLease(Job, _id);
    const second = await Job.pop();
    const before = Date.now();

    const { until } = await second!.renew(5_000);

    const { availableAt } = (await stored(Job, _id))['_task'] as { availableAt: Date };
    expect(availableAt.getTime() - until.getTime()).toBe(BACKOFF_MS);
    expect(until.getTime() - before).toBeGreaterThanOrEqual(5_000 - 100);
  });

  it('does not wait after its last attempt: it only has to be failed', async () => {
    const { _id } = await Job.push({});
    for (let attempt = 1; attempt <= 3; attempt++) {
      expect((await Job.pop())!.attempts).toBe(attempt);
      if (attempt < 3) await endLease(Job, _id);
    }

    expect(await waits(_id)).toBe(0);
    await endLease(Job, _id);
    expect(await Job.pop()).toBeNull();
    expect((await stored(Job, _id))['state']).toBe('FAILED');
  });

  it('comes back as fast as ever when its second holder puts it back', async () => {
    const { _id } = await Job.push({});
    await Job.pop();
    await endLease(Job, _id);
    const second = await Job.pop();

    await second!.release();

    expect((await Job.pop())!.attempts).toBe(2);
  });
});
