/** What the queue knows of a task, beside its fields. */
import type { ComponentChildren } from 'preact';
import type { TaskDetails } from '../../api';
import { Value } from '../parts/value';
import { Left, When } from '../parts/when';
import { NextRuns } from './schedules';

export function Facts({ task: { row, key, lease, schedule, progress } }: { task: TaskDetails }) {
  const facts: readonly (readonly [name: string, value: ComponentChildren])[] = [
    ['Created', <When at={row.createdAt} />],
    [row.settledAt ? 'Ended' : 'Due', <When at={row.settledAt ?? row.dueAt} />],
    ['Attempts', row.attempts],
    ['Priority', row.priority],
    ['Category', row.category],
    ['Key', key && <code>{key}</code>],
    ['Held by', lease?.holder ?? row.holder],
    ['Lease', lease && <Left until={lease.until} over="over: the next claim takes it over" />],
    ['Schedule', schedule && <code>{schedule.text}</code>],
    ['Time zone', schedule?.timeZone],
    ['Next runs', schedule && <NextRuns times={schedule.next} />],
    ['Progress', progress === null || progress === undefined ? null : <Progress value={progress} />],
    ['Why', row.reason],
  ];

  return (
    <section class="card" aria-labelledby="facts">
      <h2 id="facts">Task</h2>
      <dl class="facts">
        {facts.map(
          ([name, value]) =>
            value !== null &&
            value !== undefined && (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ),
        )}
      </dl>
    </section>
  );
}

/** A bar where the progress is a share or a percentage, else the value as it is. */
function Progress({ value }: { value: unknown }) {
  if (typeof value !== 'number' || value < 0 || value > 100)
    return (
      <code class="pre">
        <Value of={value} />
      </code>
    );
  const percent = value <= 1 ? value * 100 : value;

  return (
    <span class="progress">
      <progress aria-label="Progress" max={100} value={percent} /> {Math.round(percent)} %
    </span>
  );
}
