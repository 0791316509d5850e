/** The figures of the charts as a table, for who cannot see charts, or wants the numbers. */
import type { HistoryRow, Percentiles } from '../../api';
import { now } from '../clock';
import { clockTime, exact, number, span } from '../words';

/** More rows than anybody reads: the newest are shown. */
const MOST = 240;

export function HistoryTable({ rows }: { rows: readonly HistoryRow[] }) {
  const busy = rows
    .filter(({ finished, failed, retried, cancelled }) => finished + failed + retried + cancelled > 0)
    .slice(-MOST)
    .toReversed();

  return (
    <details class="card history-table">
      <summary>As a table</summary>
      <div class="scroll" tabIndex={0} role="region" aria-label="Figures by minute">
        <table>
          <thead>
            <tr>
              <th scope="col">Minute</th>
              {['Finished', 'Failed', 'Retried', 'Cancelled', 'Waited (p50, p95, p99)', 'Ran (p50, p95, p99)'].map(
                (label) => (
                  <th scope="col" class="figure" key={label}>
                    {label}
                  </th>
                ),
              )}
            </tr>
          </thead>
          <tbody>
            {busy.map(({ at, finished, failed, retried, cancelled, waitMs, runMs }) => (
              <tr key={at}>
                <th scope="row" title={exact(at)}>
                  {clockTime(at, now())}
                </th>
                {[finished, failed, retried, cancelled].map((count, index) => (
                  <td class="figure" key={index}>
                    {number(count)}
                  </td>
                ))}
                <td class="figure">{timesOf(waitMs)}</td>
                <td class="figure">{timesOf(runMs)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

function timesOf(times: Percentiles | null): string {
  return times ? [times.p50, times.p95, times.p99].map(span).join(' / ') : '–';
}
