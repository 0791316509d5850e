/** The way to every view, the queues with what is in them, and the switches of the page. */
import { useContext } from 'preact/hooks';
import { AboutContext, QueuesContext } from '../about';
import { useLiveState, togglePause } from '../live';
import { Icon, type IconName } from '../parts/icon';
import { Tag } from '../parts/state';
import { address, addressOfTasks, type Route } from '../route';
import { upTo } from '../words';
import { ThemeSwitch } from './theme-switch';

const VIEWS: readonly (readonly [name: string, label: string, icon: IconName])[] = [
  ['', 'Overview', 'overview'],
  ['schedules', 'Schedules', 'schedules'],
  ['workers', 'Workers', 'workers'],
  ['history', 'History', 'history'],
];

const LIVE = {
  live: ['Live', 'Pause updates'],
  paused: ['Paused', 'Follow again'],
  offline: ['Connecting', 'Pause updates'],
} as const;

export function Sidebar({ route, onHelp }: { route: Route; onHelp: () => void }) {
  const { title, readOnly, version, models } = useContext(AboutContext);
  const queues = useContext(QueuesContext);
  const [first = ''] = route.names;
  const atModel = route.names.length > 1;

  return (
    <header class="sidebar">
      <div class="brand">
        <a href={address([])}>{title}</a>
        {readOnly && version !== '' && <Tag>read only</Tag>}
      </div>
      <nav aria-label="Views">
        <ul>
          {VIEWS.map(([name, label, icon]) => (
            <li key={name}>
              <a href={address([name].filter(Boolean))} aria-current={!atModel && first === name ? 'page' : undefined}>
                <Icon name={icon} />
                {label}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <nav aria-label="Queues" class="queues-nav">
        <p class="nav-title">Queues</p>
        <ul>
          {models.map(({ name, kindOf }) => {
            const queue = queues.find(({ model }) => model === name);
            return (
              <li key={name} class={kindOf && models.some((one) => one.name === kindOf) ? 'kind' : undefined}>
                <a href={addressOfTasks(name)} aria-current={atModel && first === name ? 'page' : undefined}>
                  <span class="nav-name">{name}</span>
                  {queue?.paused && <Icon name="pause" size={12} />}
                  {queue && (
                    <span class="nav-count" title={`${upTo(queue.created + queue.running)} live tasks`}>
                      {upTo(queue.created + queue.running)}
                    </span>
                  )}
                </a>
              </li>
            );
          })}
        </ul>
      </nav>
      <Switches onHelp={onHelp} />
    </header>
  );
}

function Switches({ onHelp }: { onHelp: () => void }) {
  const live = useLiveState();
  const [state, action] = LIVE[live];

  return (
    <div class="switches">
      <button
        type="button"
        class="quiet live"
        data-live={live}
        aria-pressed={live === 'paused'}
        title={`${action} (p)`}
        onClick={togglePause}
      >
        <span class="live-dot" />
        {state}
      </button>
      <ThemeSwitch />
      <button
        type="button"
        class="quiet square"
        aria-label="Keyboard shortcuts"
        title="Keyboard shortcuts (?)"
        onClick={onHelp}
      >
        <Icon name="keys" />
      </button>
    </div>
  );
}
