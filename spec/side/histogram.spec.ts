import { addTo, type Buckets, bucketOf, percentilesOf } from '../../lib/side/histogram';
import fc from '../support/property';

const bucketsOf = (times: readonly number[]): Buckets => {
  const buckets: Buckets = new Map();
  for (const ms of times) addTo(buckets, bucketOf(ms));
  return buckets;
};

/** The time of that rank, by the definition. */
function exactly(times: readonly number[], part: number): number {
  return times.toSorted((a, b) => a - b)[Math.ceil(times.length * part) - 1]!;
}

describe('a histogram', () => {
  it('has percentiles within a tenth of the exact ones, and a millisecond', () => {
    const time = fc.oneof(fc.double({ min: 0, max: 50, noNaN: true }), fc.integer({ min: 0, max: 30 * 86_400_000 }));

    fc.assert(
      fc.property(fc.array(time, { minLength: 1, maxLength: 500 }), (times) => {
        const { p50, p95, p99 } = percentilesOf(bucketsOf(times));
        for (const [found, part] of [
          [p50!, 0.5],
          [p95!, 0.95],
          [p99!, 0.99],
        ] as const) {
          const exact = exactly(times, part);
          expect(Math.abs(found - exact)).toBeLessThanOrEqual(exact > 1 ? exact * 0.1 : 1);
        }
      }),
    );
  });

  it('is the same however its times were counted', () => {
    const time = fc.integer({ min: 0, max: 1_000_000 });

    fc.assert(
      fc.property(fc.array(time), fc.array(time), (some, others) => {
        const merged = bucketsOf(some);
        for (const [bucket, count] of bucketsOf(others)) addTo(merged, bucket, count);
        expect(percentilesOf(merged)).toEqual(percentilesOf(bucketsOf([...some, ...others])));
      }),
    );
  });

  it('of nothing has no percentiles', () => {
    expect(percentilesOf(new Map())).toEqual({ p50: null, p95: null, p99: null });
  });

  it('stays small, whatever the times', () => {
    expect([0, 0.2, 1, 1.01, 1e300, Infinity].map(bucketOf)).toEqual([0, 0, 0, 1, 228, 228]);
  });
});
