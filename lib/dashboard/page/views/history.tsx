/** How much was done, how long tasks waited, and how long they ran, minute by minute. */
import { useContext, useMemo } from 'preact/hooks';
import type { History as HistoryAnswer, HistoryRow, Percentiles } from '../../api';
import { AboutContext } from '../about';
import { path } from '../client';
import { Empty, Missing } from '../parts/notice';
import { useResource } from '../resource';
import { address, go } from '../route';
import { useShortcuts } from '../shortcuts';
import { number, span } from '../words';
import { Chart, type Series } from './chart';
import { HistoryTable } from './history-table';

const RANGES = [
  ['60', 'last hour'],
  ['360', 'last 6 hours'],
  ['1440', 'last day'],
  ['2880', 'last 2 days'],
] as const;

const COUNTS: readonly Series[] = [
  { label: 'finished', tone: 'finished' },
  { label: 'failed', tone: 'failed' },
  { label: 'retried', tone: 'delayed' },
  { label: 'cancelled', tone: 'cancelled' },
];
const TIMES: readonly Series[] = [
  { label: 'p50', tone: 'ready' },
  { label: 'p95', tone: 'running' },
  { label: 'p99', tone: 'blocked' },
];

export function History({ query }: { query: Readonly<Record<string, string>> }) {
  const { models } = useContext(AboutContext);
  const model = query['model'] ?? models[0]?.name ?? '';
  const minutes = query['minutes'] ?? '60';
  const history = useResource<HistoryAnswer>(model ? path('history', { model, minutes }) : null, {
    models: [model],
    everyMs: 15_000,
    idleMs: 60_000,
  });
  useShortcuts({ r: history.reload });
  const { data, stale } = history;
  const columns = useMemo(() => data && columnsOf(data.rows), [data]);
  const change = (next: object) => go(address(['history'], { model, minutes, ...next }), { replace: true });
  const quiet = data?.rows.every(
    ({ finished, failed, retried, cancelled }) => finished + failed + retried + cancelled === 0,
  );

  return (
    <>
      <div class="title-row">
        <h1>History</h1>
        <span class="grow" />
        <Choice
          label="Queue"
          value={model}
          all={models.map(({ name }) => [name, name])}
          onChange={(to) => change({ model: to })}
        />
        <Choice label="Time" value={minutes} all={RANGES} onChange={(to) => change({ minutes: to })} />
      </div>
      {model ? <Missing of={history} /> : <Empty title="No queue to show" icon="queue" />}
      {quiet && (
        <Empty title="Workers did nothing in this time" icon="history">
          What a Worker does is written down minute by minute, unless the model has <code>history: false</code>. Tasks
          that are popped by hand are not counted.
        </Empty>
      )}
      {data && columns && !quiet && (
        <div class={stale ? 'charts stale' : 'charts'}>
          <Chart title="Tasks a minute" times={columns.times} series={COUNTS} values={columns.counts} format={number} />
          <Chart title="Waiting time" times={columns.times} series={TIMES} values={columns.wait} format={span} />
          <Chart title="Running time" times={columns.times} series={TIMES} values={columns.run} format={span} />
          <HistoryTable rows={data.rows} />
        </div>
      )}
    </>
  );
}

interface ChoiceProps {
  label: string;
  value: string;
  all: readonly (readonly [value: string, label: string])[];
  onChange: (value: string) => void;
}

function Choice({ label, value, all, onChange }: ChoiceProps) {
  return (
    <label class="choice">
      <span class="for-readers">{label}</span>
      <select value={value} onChange={({ currentTarget }) => onChange(currentTarget.value)}>
        {all.map(([one, text]) => (
          <option key={one} value={one}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

function columnsOf(rows: readonly HistoryRow[]) {
  const percentiles = (of: (row: HistoryRow) => Percentiles | null) =>
    (['p50', 'p95', 'p99'] as const).map((name) => rows.map((row) => of(row)?.[name] ?? null));

  return {
    times: rows.map(({ at }) => Date.parse(at) / 1_000),
    counts: (['finished', 'failed', 'retried', 'cancelled'] as const).map((name) => rows.map((row) => row[name])),
    wait: percentiles(({ waitMs }) => waitMs),
    run: percentiles(({ runMs }) => runMs),
  };
}
