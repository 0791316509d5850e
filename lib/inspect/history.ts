import type { AnyModel } from '../definition/definition';
import { history, type HistoryMinute } from '../side/history';
import type { Percentiles as Stored } from '../side/histogram';
import { inParts } from '../values/group';
import type { HistoryRow, Percentiles } from './answers';

/** At most so many rows are shown: of a longer time each row is of several minutes. */
const MAX_ROWS = 180;

/** What workers did in the last minutes, the oldest first. Minutes in which nothing was done are left out. */
export async function historyOf(model: AnyModel, minutes: number): Promise<HistoryRow[]> {
  const rows = await history(model, { minutes });
  const parts = inParts(rows, Math.ceil(rows.length / MAX_ROWS));

  return parts.map(joined).filter((row) => row.finished + row.failed + row.retried + row.cancelled > 0);
}

function joined(minutes: readonly HistoryMinute[]): HistoryRow {
  const sum = (name: 'finished' | 'failed' | 'retried' | 'cancelled') =>
    minutes.reduce((total, one) => total + one[name], 0);
  // Percentiles cannot be added: of several minutes the slowest counts.
  const slowest = (name: 'waitMs' | 'runMs') => {
    const known = minutes.map((one) => percentiles(one[name])).filter((one) => one !== null);
    return known.toSorted((one, other) => other.p95 - one.p95)[0] ?? null;
  };

  return {
    at: minutes[0]!.at.toISOString(),
    finished: sum('finished'),
    failed: sum('failed'),
    retried: sum('retried'),
    cancelled: sum('cancelled'),
    waitMs: slowest('waitMs'),
    runMs: slowest('runMs'),
  };
}

function percentiles({ p50, p95, p99 }: Stored): Percentiles | null {
  return p50 === null || p95 === null || p99 === null ? null : { p50, p95, p99 };
}
