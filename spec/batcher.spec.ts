import { Batcher, type Caller } from '../lib/batcher';

describe('calls that are served in batches', () => {
  const batches: number[] = [];
  let onIdle: jest.Mock;
  let batcher: Batcher<number, number>;

  beforeEach(() => {
    batches.length = 0;
    onIdle = jest.fn();
    batcher = new Batcher<number, number>({
      async serve(callers: readonly Caller<number, number>[]) {
        batches.push(callers.length);
        await new Promise(setImmediate);
        for (const { item, resolve } of callers) resolve(2 * item);
      },
      onIdle,
    });
  });

  it('resolve to what became of each', async () => {
    expect(await Promise.all([batcher.call(1), batcher.call(2), batcher.call(3)])).toEqual([2, 4, 6]);
    expect(batches).toEqual([3]);
  });

  it('are together in the next batch if they come while one is under way', async () => {
    const first = batcher.call(1);
    await Promise.resolve();
    await Promise.all([first, batcher.call(2), batcher.call(3)]);

    expect(batches).toEqual([1, 2]);
  });

  it('stay together where some come back a few microtasks before the others', async () => {
    const callAgain = async (caller: number) => {
      for (let round = 0; round < 5; round++) {
        await batcher.call(caller);
        for (let step = 0; step < caller * 10; step++) await Promise.resolve();
      }
    };
    await Promise.all([0, 1, 2, 3].map(callAgain));

    expect(batches).toEqual([4, 4, 4, 4, 4]);
  });

  it('are served at once where they come alone', async () => {
    await batcher.call(1);
    const called = batcher.call(2);
    await Promise.resolve();

    expect(batches).toEqual([1, 1]);
    await called;
  });

  it('all reject with what serving them throws, and the next are served', async () => {
    const failing = new Batcher<number, number>({
      serve: ([first]) => {
        if (first!.item < 10) return Promise.reject(new Error('no luck'));
        first!.resolve(1);
        return Promise.resolve();
      },
    });
    const both = await Promise.allSettled([failing.call(1), failing.call(2)]);

    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await expect(failing.call(10)).resolves.toBe(1);
  });

  it('are followed by a word when none is left', async () => {
    await Promise.all([batcher.call(1), batcher.call(2)]);
    await new Promise(setImmediate);

    expect(onIdle).toHaveBeenCalledTimes(1);
  });
});
