/** How much wider each bucket is than the one before: a percentile is wrong by a twentieth at most. */
const GROWTH = 1.1;
/** The bucket of all times of 30 days and more. */
const LAST = 228;

/** How many times fell into each bucket. */
export type Buckets = Map<number, number>;

/** Percentiles of times, in milliseconds. Each is at most a twentieth off the exact one. */
export interface Percentiles {
  /** Half of the times were this or less, in milliseconds; null where there were none. */
  p50: number | null;
  /** 95 of 100 were this or less; null where there were none. */
  p95: number | null;
  /** 99 of 100 were this or less; null where there were none. */
  p99: number | null;
}

/** The bucket of a time: bucket 0 up to a millisecond, each further one up to a tenth more than the one before. */
export function bucketOf(ms: number): number {
  return ms > 1 ? Math.min(LAST, Math.ceil(Math.log(ms) / Math.log(GROWTH))) : 0;
}

/** Adds to a bucket. */
export function addTo(buckets: Buckets, bucket: number, count = 1): void {
  buckets.set(bucket, (buckets.get(bucket) ?? 0) + count);
}

export function percentilesOf(buckets: Buckets): Percentiles {
  const sorted = [...buckets].sort(([a], [b]) => a - b);
  const total = sorted.reduce((sum, [, count]) => sum + count, 0);
  const at = (part: number): number | null => {
    let left = Math.ceil(total * part);
    for (const [bucket, count] of sorted) {
      left -= count;
      if (left <= 0) return timeOf(bucket);
    }

    return null;
  };

  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

/** The time that is wrong by the same part for the shortest and the longest of the bucket, to a hundredth of a millisecond. */
function timeOf(bucket: number): number {
  return Math.round(((2 * GROWTH ** bucket) / (1 + GROWTH)) * 100) / 100;
}
