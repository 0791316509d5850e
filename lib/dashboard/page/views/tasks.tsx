/** The tasks of a model: by state, by search, page after page, and what can be done with many of them at once. */
import { useEffect, useState } from 'preact/hooks';
import type { TaskPage } from '../../api';
import { useAllowed, useModel, useQueue } from '../about';
import { path } from '../client';
import { ActButtons } from '../parts/act-buttons';
import { Empty, Missing, Notice } from '../parts/notice';
import { Tag } from '../parts/state';
import { Text } from '../parts/text';
import { useResource } from '../resource';
import { addressOfTasks, go } from '../route';
import { useShortcuts } from '../shortcuts';
import { BULK } from '../verbs';
import { ENDED, upTo } from '../words';
import { Search } from './search';
import { Selection } from './selection';
import { StateTabs } from './state-tabs';
import { focusRow, TaskTable, toggleFocused } from './task-table';

interface Props {
  model: string;
  query: Readonly<Record<string, string>>;
}

const NONE: ReadonlySet<string> = new Set();

export function Tasks({ model, query }: Props) {
  const { state, q, sort, after } = query;
  const found = useResource<TaskPage>(path('tasks', { model, state, q, sort, after }), { models: [model] });
  const queue = useQueue(model);
  const may = useAllowed(model);
  const [selected, select] = useState(NONE);
  const [all, setAll] = useState(false);
  const filter = JSON.stringify([state, q]);
  useEffect(() => clear(), [filter, after, sort]);
  const { data, stale } = found;
  const bulk = BULK.filter((action) => may(action) && fits(action, state));
  const next = data?.next && !stale ? addressOfTasks(model, { ...query, after: data.next }) : undefined;
  const clear = () => {
    select(NONE);
    setAll(false);
  };
  useShortcuts({
    r: found.reload,
    j: () => focusRow(1),
    k: () => focusRow(-1),
    x: toggleFocused,
    n: () => next && go(next),
  });

  return (
    <>
      <TitleRow model={model} onDone={found.reload} />
      <StateTabs model={model} queue={queue} query={query} />
      <Search model={model} query={query} />
      <Missing of={found} />
      {data?.plan.warning && !found.error && (
        <Notice tone="warning">
          <Text of={data.plan.warning} />
        </Notice>
      )}
      {data && (
        <div class={stale ? 'stale' : undefined}>
          {bulk.length > 0 && data.rows.length > 0 && (
            <Selection
              count={data.count}
              selected={selected}
              all={all}
              more={data.next !== null || after !== undefined}
              onAll={() => setAll(true)}
              onClear={clear}
            >
              <ActButtons
                small
                actions={bulk}
                on={{ model, state: state ?? '', ...(all ? q && { q } : { ids: [...selected] }) }}
                onDone={() => (clear(), found.reload())}
              />
            </Selection>
          )}
          {data.rows.length > 0 ? (
            <TaskTable
              model={model}
              rows={data.rows}
              state={state}
              selectable={bulk.length > 0}
              selected={selected}
              onSelect={(ids) => (select(ids), setAll(false))}
            />
          ) : (
            <NoTasks model={model} {...{ state, q }} />
          )}
          <footer class="pager">
            <span class="muted small">
              {data.count.value > 0 &&
                `${upTo(data.count.value, data.count.more)} ${data.count.value === 1 ? 'task' : 'tasks'}`}
              {data.plan.index && `, found by the index ${data.plan.index}`}
            </span>
            {after && (
              <a class="button" href={addressOfTasks(model, { ...query, after: undefined })}>
                First page
              </a>
            )}
            {next && (
              <a class="button" href={next}>
                Next page
              </a>
            )}
          </footer>
        </div>
      )}
    </>
  );
}

function TitleRow({ model, onDone }: { model: string; onDone: () => void }) {
  const about = useModel(model);
  const queue = useQueue(model);
  const may = useAllowed(model);
  // Of a queue with categories, some may be paused and others not.
  const both = (about?.categories ?? []).length > 0;
  const actions = (['pause', 'resume'] as const).filter(
    (one) => (both || (one === 'resume') === queue?.paused) && may(one),
  );

  return (
    <div class="title-row">
      <h1>{model}</h1>
      {queue?.paused && <Tag tone="delayed">paused</Tag>}
      <span class="muted small">
        {about?.collection}
        {about?.kindOf && `, kind of ${about.kindOf}`}
      </span>
      <span class="grow" />
      {queue && <ActButtons actions={actions} on={{ model }} subject={model} onDone={onDone} />}
    </div>
  );
}

function NoTasks({ model, state, q }: { model: string; state?: string | undefined; q?: string | undefined }) {
  if (q)
    return (
      <Empty title="No task matches" icon="search">
        <a href={addressOfTasks(model, { state })}>Search without words</a>
      </Empty>
    );
  if (state) return <Empty title={`No task is ${state.toLowerCase()}`} />;

  return (
    <Empty title="Nothing waits and nothing runs" icon="good">
      Push a task:{' '}
      <code>
        await {model}.push({'{ … }'})
      </code>
      . Those that have ended are under finished, failed and cancelled.
    </Empty>
  );
}

/** Whether an action can come to anything in a list of this state. */
function fits(action: (typeof BULK)[number], state: string | undefined): boolean {
  if (action === 'retry') return state === 'FAILED';
  if (action === 'requeue') return state !== undefined && ENDED.includes(state) && state !== 'FAILED';
  if (action === 'run') return state === 'delayed';
  if (action === 'cancel') return state === undefined || !ENDED.includes(state);

  return true;
}
