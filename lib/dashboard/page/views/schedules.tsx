/** The tasks that recur: when they run next, and how the last run went. */
import { useState } from 'preact/hooks';
import type { ScheduleRow, Schedules as SchedulesAnswer } from '../../api';
import { useAllowed } from '../about';
import { path } from '../client';
import { now } from '../clock';
import { ActButtons } from '../parts/act-buttons';
import { Empty, Missing } from '../parts/notice';
import { StateBadge, Tag } from '../parts/state';
import { When } from '../parts/when';
import { useResource } from '../resource';
import { addressOfTask } from '../route';
import { useShortcuts } from '../shortcuts';
import { clockTime, exact, number, standing } from '../words';

/** Of one model, or of all. */
export function Schedules({ model }: { model?: string }) {
  const schedules = useResource<SchedulesAnswer>(path('schedules', { model }), { everyMs: 2_000 });
  useShortcuts({ r: schedules.reload });
  const { data } = schedules;

  return (
    <>
      <div class="title-row">
        <h1>{model ? `Schedules of ${model}` : 'Schedules'}</h1>
        {data && <span class="muted">{number(data.rows.length)}</span>}
      </div>
      <Missing of={schedules} />
      {data?.rows.length === 0 && (
        <Empty title="Nothing recurs" icon="schedules">
          Push a task with a schedule:{' '}
          <code>
            Report.push({'{}'}, {"{ cron: '0 7 * * *', key: 'daily' }"})
          </code>
        </Empty>
      )}
      {data && data.rows.length > 0 && (
        <div class="scroll card">
          <table class="cards-when-narrow">
            <thead>
              <tr>
                <th scope="col">Task</th>
                <th scope="col">Schedule</th>
                <th scope="col">Next runs</th>
                <th scope="col">Last result</th>
                <th scope="col">State</th>
                <th scope="col">
                  <span class="for-readers">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {data.rows.map((row) => (
                <Row key={`${row.model} ${row.id}`} row={row} onDone={schedules.reload} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

function Row({ row, onDone }: { row: ScheduleRow; onDone: () => void }) {
  const { model, id, label, key, text, timeZone, state, lastResult, lastAt, overdue } = row;
  const may = useAllowed(model);
  const actions = (['run', 'unschedule'] as const).filter(may);
  const name = key ?? label;
  const [result = '', ...why] = lastResult?.split(': ') ?? [];

  return (
    <tr>
      <th scope="row">
        <a href={addressOfTask(model, id)}>{name}</a>
        <span class="muted small block">{model}</span>
      </th>
      <td data-label="Schedule">
        <code>{text}</code>
        {timeZone && <span class="muted small block">{timeZone}</span>}
      </td>
      <td data-label="Next runs">
        <NextRuns times={row.next} />
      </td>
      <td data-label="Last result">
        {lastResult ? (
          <>
            <StateBadge state={result} />{' '}
            <span class="muted small">
              <When at={lastAt} none="" />
            </span>
            {why.length > 0 && (
              <span class="clamp small" title={lastResult}>
                {why.join(': ')}
              </span>
            )}
          </>
        ) : (
          <span class="muted">not yet run</span>
        )}
      </td>
      <td data-label="State">
        <StateBadge state={standing({ state, dueAt: row.next[0] ?? null, reason: null }, undefined, now())} />{' '}
        {overdue && <Tag tone="failed">overdue</Tag>}
      </td>
      <td class="row-actions">
        <ActButtons small actions={actions} on={{ model, ids: [id] }} subject={name} onDone={onDone} />
      </td>
    </tr>
  );
}

/** The next one, and on request those after it. */
export function NextRuns({ times: [first, ...later] }: { times: readonly string[] }) {
  const [open, setOpen] = useState(false);
  if (!first) return <span class="muted">none</span>;

  return (
    <div class="next-runs">
      <When at={first} /> <span class="muted small">{clockTime(first, now())}</span>
      {later.length > 0 && (
        <button type="button" class="link small" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? 'fewer' : `${later.length} more`}
        </button>
      )}
      {open && (
        <ol>
          {later.map((time) => (
            <li key={time} title={exact(time)}>
              {clockTime(time, now())}
            </li>
          ))}
        </ol>
      )}
    </div>
  );
}
