/** What is wrong, then how each queue is. */
import { useContext } from 'preact/hooks';
import type { Overview as OverviewAnswer, Problem } from '../../api';
import { AboutContext } from '../about';
import { Icon, type IconName } from '../parts/icon';
import { Empty, Missing } from '../parts/notice';
import { Text } from '../parts/text';
import { When } from '../parts/when';
import type { Resource } from '../resource';
import { plural } from '../words';
import { Queues } from './queues';

const KINDS: Record<Problem['kind'], readonly [icon: IconName, tone: 'bad' | 'warning' | 'plain']> = {
  failed: ['alert', 'bad'],
  late: ['schedules', 'bad'],
  nobody: ['workers', 'bad'],
  'stuck-schedule': ['schedules', 'warning'],
  full: ['queue', 'warning'],
  index: ['search', 'warning'],
  paused: ['pause', 'plain'],
};

export function Overview({ overview }: { overview: Resource<OverviewAnswer> }) {
  const { models } = useContext(AboutContext);
  const { data } = overview;

  return (
    <>
      <div class="title-row">
        <h1>Overview</h1>
      </div>
      <Missing of={overview} />
      {data && (
        <>
          <section aria-labelledby="problems">
            <h2 id="problems">{data.problems.length > 0 ? plural(data.problems.length, 'problem') : 'No problems'}</h2>
            {data.problems.length > 0 ? <Problems all={data.problems} /> : <AllWell />}
          </section>
          <section aria-labelledby="queues">
            <h2 id="queues">Queues</h2>
            {models.length > 0 ? (
              <Queues queues={data.queues} onDone={overview.reload} />
            ) : (
              <Empty title="No queue to show" icon="queue">
                Give the dashboard models with the plugin: <code>dashboard({'{ models: [Email] }'})</code>. Or you are
                not allowed to see those it has.
              </Empty>
            )}
          </section>
        </>
      )}
    </>
  );
}

function AllWell() {
  return (
    <p class="all-well">
      <Icon name="good" /> Nothing has failed in the last hour, nothing is late, and every queue is worked on.
    </p>
  );
}

function Problems({ all }: { all: readonly Problem[] }) {
  return (
    <ul class="problems">
      {all.map(({ kind, model, text, since, route }) => {
        const [icon, tone] = KINDS[kind] ?? ['alert', 'plain'];
        return (
          <li key={`${kind} ${model} ${text}`} data-tone={tone}>
            <a href={`#/${route.replace(/^#?\/?/, '')}`}>
              <Icon name={icon} />
              <strong>{model}</strong>
              <span class="problem-text">
                <Text of={text} />
              </span>
              {since && (
                <span class="muted">
                  <When at={since} />
                </span>
              )}
              <Icon name="next" />
            </a>
          </li>
        );
      })}
    </ul>
  );
}
