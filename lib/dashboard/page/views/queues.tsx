/** A row of figures for each queue; each figure leads to the tasks it counts. */
import type { QueueSummary } from '../../api';
import { useAllowed, useModel } from '../about';
import { ActButtons } from '../parts/act-buttons';
import { Sparkline } from '../parts/sparkline';
import { Tag } from '../parts/state';
import { addressOfTasks } from '../route';
import { number, span, upTo } from '../words';

const FIGURES = [
  ['ready', 'Ready', 'ready'],
  ['running', 'Running', 'RUNNING'],
  ['delayed', 'Delayed', 'delayed'],
  ['blocked', 'Blocked', 'blocked'],
  ['failed', 'Failed', 'FAILED'],
] as const;

const LATE_MS = 60_000;

export function Queues({ queues, onDone }: { queues: readonly QueueSummary[]; onDone: () => void }) {
  return (
    <div class="scroll card">
      <table class="queues cards-when-narrow">
        <thead>
          <tr>
            <th scope="col">Queue</th>
            {FIGURES.map(([, label]) => (
              <th scope="col" class="figure" key={label}>
                {label}
              </th>
            ))}
            <th scope="col" class="figure">
              Oldest ready
            </th>
            <th scope="col" class="figure">
              Workers
            </th>
            <th scope="col">Last hour</th>
            <th scope="col">
              <span class="for-readers">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {queues.map((queue) => (
            <QueueRow key={queue.model} queue={queue} onDone={onDone} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function QueueRow({ queue, onDone }: { queue: QueueSummary; onDone: () => void }) {
  const { model, oldestReadyAgeMs, workers, ready, paused } = queue;
  const may = useAllowed(model);
  const kindOf = useModel(model)?.kindOf;
  const action = paused ? 'resume' : 'pause';
  const name = (
    <th scope="row">
      <a href={addressOfTasks(model)}>{model}</a> {paused && <Tag tone="delayed">paused</Tag>}{' '}
      {kindOf && <span class="muted">kind of {kindOf}</span>}
    </th>
  );
  if (queue.error)
    return (
      <tr>
        {name}
        <td colSpan={FIGURES.length + 4} class="bad">
          Could not be read: {queue.error}
        </td>
      </tr>
    );

  return (
    <tr>
      {name}
      {FIGURES.map(([figure, label, state]) => (
        <td class="figure" key={figure} data-label={label}>
          <a class={queue[figure] > 0 ? `count ${figure}` : 'count none'} href={addressOfTasks(model, { state })}>
            {upTo(queue[figure])}
          </a>
        </td>
      ))}
      <td class={`figure ${(oldestReadyAgeMs ?? 0) > LATE_MS ? 'bad' : ''}`} data-label="Oldest ready">
        {oldestReadyAgeMs === null ? <span class="muted">–</span> : span(oldestReadyAgeMs)}
      </td>
      <td class={`figure ${workers === 0 && ready > 0 ? 'bad' : ''}`} data-label="Workers">
        {number(workers)}
      </td>
      <td class="spark-cell" data-label="Last hour">
        <Sparkline minutes={queue.spark} />
        <span class="muted small">
          {number(queue.finishedLastHour)} finished
          {queue.failedLastHour > 0 && <span class="bad">, {number(queue.failedLastHour)} failed</span>}
        </span>
      </td>
      <td class="row-actions">
        {may(action) && <ActButtons small actions={[action]} on={{ model }} subject={model} onDone={onDone} />}
      </td>
    </tr>
  );
}
