import fc from './support/property';
import { constant, exponential, InvalidOptionError, linear } from '../lib';
import { MAX_TIMER_MS } from '../lib/values/check';

const attempts = fc.integer({ min: 1, max: 1_000_000 });
const waits = fc.integer({ min: 0, max: MAX_TIMER_MS });
/** What `Math.random` may return: 0 is possible, 1 is not. */
const chances = fc.double({ min: 0, max: 1 - Number.EPSILON / 2, noNaN: true });

afterEach(() => jest.restoreAllMocks());

function byChance<T>(chance: number, draw: () => T): T {
  const random = jest.spyOn(Math, 'random').mockReturnValue(chance);
  try {
    return draw();
  } finally {
    random.mockRestore();
  }
}

describe('exponential', () => {
  const bounds = fc.tuple(waits, waits).map(([a, b]) => ({ minMs: Math.min(a, b), maxMs: Math.max(a, b) }));

  it('waits a whole number of milliseconds from 0 to the bound of the attempt', () => {
    fc.assert(
      fc.property(bounds, attempts, chances, ({ minMs, maxMs }, attempt, chance) => {
        const wait = byChance(chance, () => exponential({ minMs, maxMs })(attempt));

        expect(Number.isInteger(wait)).toBe(true);
        expect(wait).toBeGreaterThanOrEqual(0);
        expect(wait).toBeLessThanOrEqual(maxMs);
        // Later than that every bound is maxMs, or 0.
        expect(wait).toBeLessThanOrEqual(minMs * 2 ** (Math.min(attempt, 40) - 1));
      }),
    );
  });

  it('doubles the bound with each attempt, up to maxMs', () => {
    const backoff = exponential({ minMs: 1_000, maxMs: 10_000 });

    const half = [1, 2, 3, 4, 5, 6, 1_000_000].map((attempt) => byChance(0.5, () => backoff(attempt)));

    expect(half).toEqual([500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000]);
  });

  it('never shrinks the bound from one attempt to the next', () => {
    fc.assert(
      fc.property(bounds, attempts, chances, (limits, attempt, chance) => {
        const [sooner, later] = [attempt, attempt + 1].map((n) => byChance(chance, () => exponential(limits)(n)));

        expect(later).toBeGreaterThanOrEqual(sooner!);
      }),
    );
  });

  it('uses the whole range down to zero, so that tasks that failed together come back apart', () => {
    const backoff = exponential({ minMs: 1_000, maxMs: 1_000 });

    const drawn = Array.from({ length: 4_000 }, () => backoff(1));

    // A quarter of the range that gets none of 4 000 draws has the chance (3/4)^4000.
    const quarters = new Set(drawn.map((wait) => Math.floor(wait / 250)));
    expect(quarters).toEqual(new Set([0, 1, 2, 3]));
  });

  it('starts at one second and ends at one hour by default', () => {
    const most = (attempt: number) => byChance(1 - Number.EPSILON / 2, () => exponential()(attempt));

    expect(most(1)).toBe(999);
    expect(most(100)).toBe(3_599_999);
  });

  it.each([
    [{ minMs: -1 }, 'Expected `minMs` to be a whole number of milliseconds from 0 to 2147483647, got `-1` (number)'],
    [{ minMs: 1.5 }, 'got `1.5` (number)'],
    [{ minMs: '1000' }, 'got "1000" (string)'],
    [{ minMs: Number.NaN }, 'got `NaN` (number)'],
    [{ maxMs: Infinity }, 'got `Infinity` (number)'],
    [{ maxMs: 2 ** 31 }, 'got `2147483648` (number)'],
    [
      { minMs: 100, maxMs: 50 },
      'Expected `maxMs` to be a whole number of milliseconds from 100 to 2147483647, got `50`',
    ],
    [{ min: 100 }, 'Unknown option `min` of exponential(). Did you mean `minMs`? Known are: minMs, maxMs.'],
    [null, 'Expected the options of exponential() to be an object, got `null`'],
    [1_000, 'Expected the options of exponential() to be an object, got `1000` (number)'],
  ])('refuses %j', (options, message) => {
    expect(() => exponential(options as never)).toThrow(InvalidOptionError);
    expect(() => exponential(options as never)).toThrow(message);
  });
});

describe('constant', () => {
  it('waits the same at each attempt', () => {
    fc.assert(fc.property(waits, attempts, (ms, attempt) => expect(constant(ms)(attempt)).toBe(ms)));
  });

  it.each([-1, 0.5, '5000', Number.NaN, undefined, 2 ** 31])('refuses %p', (ms) => {
    expect(() => constant(ms as never)).toThrow(InvalidOptionError);
    expect(() => constant(ms as never)).toThrow('`constant(5_000)`');
  });
});

describe('linear', () => {
  it('grows by the step with each attempt, up to its maximum', () => {
    fc.assert(
      fc.property(waits, waits, attempts, (stepMs, maxMs, attempt) => {
        const wait = linear(stepMs, maxMs)(attempt);

        expect(wait).toBe(Math.min(maxMs, stepMs * attempt));
        expect(linear(stepMs, maxMs)(attempt + 1)).toBeGreaterThanOrEqual(wait);
      }),
    );
  });

  it('waits at most one hour by default', () => {
    expect([1, 2, 1_000_000].map(linear(5_000))).toEqual([5_000, 10_000, 3_600_000]);
  });

  it.each([
    [[-1], '`linear(5_000)`'],
    [['5000'], '`linear(5_000)`'],
    [[], '`linear(5_000)`'],
    [[5_000, -1], '`linear(5_000, 60_000)`'],
    [[5_000, Number.NaN], '`linear(5_000, 60_000)`'],
  ])('refuses %p', (given, advice) => {
    expect(() => linear(...(given as [number]))).toThrow(InvalidOptionError);
    expect(() => linear(...(given as [number]))).toThrow(advice);
  });
});
