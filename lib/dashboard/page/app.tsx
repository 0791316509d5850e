/** The frame around every view, and which view is shown at which address. */
import { useContext, useEffect, useRef, useState } from 'preact/hooks';
import type { About, Overview as OverviewAnswer } from '../api';
import { AboutContext, QueuesContext } from './about';
import { path } from './client';
import { heardTime } from './clock';
import { lazy } from './lazy';
import { togglePause } from './live';
import { Missing, Empty } from './parts/notice';
import { ActDialogs } from './parts/act-dialog';
import { Toast } from './parts/toast';
import { type Resource, useResource } from './resource';
import { address, go, type Route, useRoute } from './route';
import { useShortcuts } from './shortcuts';
import { switchTheme } from './theme';
import { Help } from './views/help';
import { Overview } from './views/overview';
import { Schedules } from './views/schedules';
import { Sidebar } from './views/sidebar';
import { Task } from './views/task';
import { Tasks } from './views/tasks';
import { Workers } from './views/workers';

const NEVER: readonly string[] = [];
const HOUR_MS = 3_600_000;

const History = lazy(async () => (await import('./views/history')).History);

export function App() {
  const about = useResource<About>(path('about'), { models: NEVER, idleMs: HOUR_MS });
  const overview = useResource<OverviewAnswer>(path('overview'), { everyMs: 2_000, idleMs: 20_000 });
  const [help, setHelp] = useState(false);
  const route = useRoute();
  const main = useFocusOnArrival(route);
  useShortcuts({
    '?': () => setHelp(true),
    'g o': () => go(address([])),
    'g s': () => go(address(['schedules'])),
    'g w': () => go(address(['workers'])),
    'g h': () => go(address(['history'])),
    p: togglePause,
    t: switchTheme,
  });
  const { data } = about;
  if (overview.data) heardTime(overview.data.now);
  const title = data?.title ?? 'Task queues';
  useEffect(() => {
    document.title = [...route.names.slice(0, 2).map(named), title].join(' · ');
  }, [route.names.join('/'), title]);

  return (
    <AboutContext.Provider value={data ?? EMPTY}>
      <QueuesContext.Provider value={overview.data?.queues ?? []}>
        <div class="frame">
          <button type="button" class="skip" onClick={() => main.current?.focus()}>
            Skip to the content
          </button>
          <Sidebar route={route} onHelp={() => setHelp(true)} />
          <main ref={main} tabIndex={-1}>
            {data ? <View route={route} overview={overview} /> : <Missing of={about} />}
          </main>
        </div>
        <ActDialogs />
        <Toast />
        {help && <Help onClose={() => setHelp(false)} />}
      </QueuesContext.Provider>
    </AboutContext.Provider>
  );
}

const EMPTY: About = { title: 'Task queues', readOnly: true, version: '', now: '', models: [] };

function View({ route, overview }: { route: Route; overview: Resource<OverviewAnswer> }) {
  const { models } = useContext(AboutContext);
  const [first = '', second, third] = route.names;
  if (first === '') return <Overview overview={overview} />;
  if (second === undefined) {
    if (first === 'schedules') return <Schedules />;
    if (first === 'workers') return <Workers />;
    if (first === 'history') return <History query={route.query} />;
  }
  if (models.some(({ name }) => name === first)) {
    if (second === 'task' && third !== undefined) return <Task key={`${first}/${third}`} model={first} id={third} />;
    if (second === 'schedules') return <Schedules key={first} model={first} />;
    if (second === 'history') return <History query={{ ...route.query, model: first }} />;
    if (second === undefined || second === 'tasks') return <Tasks key={first} model={first} query={route.query} />;
  }

  return (
    <>
      <h1>Not found</h1>
      <Empty title="There is nothing at this address" icon="search">
        The model may have been renamed, or is not shown to you. <a href={address([])}>Go to the overview</a>
      </Empty>
    </>
  );
}

/** Who goes to another view by keyboard or ear begins at its top. */
function useFocusOnArrival(route: Route) {
  const main = useRef<HTMLElement>(null);
  const arrived = useRef(false);
  useEffect(() => {
    if (arrived.current) {
      main.current?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    arrived.current = true;
  }, [route.names.join('/')]);

  return main;
}

function named(name: string): string {
  return name === 'tasks'
    ? 'Tasks'
    : name === 'task'
      ? 'Task'
      : name.replace(/^[a-z]/, (letter) => letter.toUpperCase());
}
