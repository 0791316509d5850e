import type { Acted } from '../../../lib/dashboard/api';
import { actOn } from '../../../lib/dashboard/page/verbs';

const ACT = { action: 'retry', model: 'Email', state: 'FAILED' } as const;

describe('an action on all that match', () => {
  let asked: (number | undefined)[] = [];

  afterEach(() => {
    jest.restoreAllMocks();
    asked = [];
  });

  /** A server with so many tasks, the first of which are skipped each time. */
  function serve(count: number, stuck: number): void {
    let left = count - stuck;
    jest.spyOn(globalThis, 'fetch').mockImplementation(async (_, init) => {
      const { limit = count } = JSON.parse(init!.body as string) as { limit?: number };
      asked.push(limit);
      const reached = Math.min(limit, stuck + left);
      const done = Math.max(0, reached - stuck);
      const more = limit < stuck + left;
      left -= done;
      const skipped = Array.from({ length: Math.min(reached, stuck, 100) }, (__, index) => ({
        id: `${index}`,
        label: `${index}`,
        reason: 'a live task has its key',
      }));
      return Response.json({ done, skipped, more } satisfies Acted);
    });
  }

  it('goes on part by part', async () => {
    serve(1_200, 0);

    expect(await actOn(ACT)).toEqual({ done: 1_200, skipped: [] });

    expect(asked).toEqual([500, 500, 500]);
  });

  it('reaches those behind a whole part that is skipped', async () => {
    serve(2_600, 2_100);

    expect((await actOn(ACT)).done).toBe(500);

    expect(asked).toEqual([500, 2_000, 8_000]);
  });

  it('ends where the largest part is skipped as a whole', async () => {
    serve(20_000, 15_000);

    expect((await actOn(ACT)).done).toBe(0);

    expect(asked).toEqual([500, 2_000, 8_000, 10_000]);
  });

  it('ends when it is stopped, and names what was skipped once', async () => {
    serve(1_200, 3);
    let told = 0;

    const { done, skipped } = await actOn(
      ACT,
      () => told++,
      () => told === 2,
    );

    expect(done).toBe(994);
    expect(skipped).toHaveLength(3);
  });
});
