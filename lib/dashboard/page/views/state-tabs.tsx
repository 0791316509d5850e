/** The states a list of tasks may show, with how many there are of each. */
import type { QueueSummary } from '../../api';
import { addressOfTasks } from '../route';
import { toneOf, upTo } from '../words';

const TABS = [
  ['', 'Live'],
  ['ready', 'Ready'],
  ['RUNNING', 'Running'],
  ['delayed', 'Delayed'],
  ['blocked', 'Blocked'],
  ['FAILED', 'Failed'],
  ['CANCELLED', 'Cancelled'],
  ['FINISHED', 'Finished'],
] as const;

interface Props {
  model: string;
  queue: QueueSummary | undefined;
  query: Readonly<Record<string, string>>;
}

export function StateTabs({ model, queue, query: { state = '', q, sort } }: Props) {
  return (
    <nav aria-label="States" class="tabs">
      <ul>
        {TABS.map(([name, label]) => (
          <li key={name}>
            <a
              href={addressOfTasks(model, { state: name, q, sort })}
              data-tone={toneOf(name)}
              aria-current={name === state ? 'page' : undefined}
            >
              {label} <Figure queue={queue} state={name} />
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function Figure({ queue, state }: { queue: QueueSummary | undefined; state: (typeof TABS)[number][0] }) {
  if (!queue || state === 'FINISHED') return null;
  const count = {
    '': queue.created + queue.running,
    ready: queue.ready,
    RUNNING: queue.running,
    delayed: queue.delayed,
    blocked: queue.blocked,
    FAILED: queue.failed,
    CANCELLED: queue.cancelled,
  }[state];

  return <span class="tab-count">{upTo(count)}</span>;
}
