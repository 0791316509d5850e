/** Who works, and on what. */
import type { WorkerRow, Workers as WorkersAnswer } from '../../api';
import { path } from '../client';
import { Empty, Missing } from '../parts/notice';
import { Tag } from '../parts/state';
import { Left, When } from '../parts/when';
import { useResource } from '../resource';
import { addressOfTask, addressOfTasks } from '../route';
import { useShortcuts } from '../shortcuts';
import { number } from '../words';

export function Workers() {
  const workers = useResource<WorkersAnswer>(path('workers'), { everyMs: 2_000, idleMs: 10_000 });
  useShortcuts({ r: workers.reload });
  const { data } = workers;

  return (
    <>
      <div class="title-row">
        <h1>Workers</h1>
        {data && <span class="muted">{number(data.rows.length)}</span>}
      </div>
      <Missing of={workers} />
      {data?.rows.length === 0 && (
        <Empty title="No worker has been heard of" icon="workers">
          A worker is seen here some seconds after its start:{' '}
          <code>await new Worker(Email, {'{ handler }'}).start()</code>. Tasks that are popped by hand have none.
        </Empty>
      )}
      <div class="workers">
        {data?.rows.map((worker) => (
          <Card key={worker.id} worker={worker} />
        ))}
      </div>
    </>
  );
}

function Card({ worker }: { worker: WorkerRow }) {
  const { host, pid, models, concurrency, held, since, beat, silent, running, tasks } = worker;

  return (
    <article class="card worker" aria-label={`Worker ${host} ${pid}`}>
      <header>
        <h2>
          {host} <span class="muted">pid {pid}</span>
        </h2>
        {silent ? <Tag tone="failed">silent</Tag> : running > 0 ? <Tag tone="finished">working</Tag> : <Tag>idle</Tag>}
      </header>
      <p class="small">
        {models.map((model) => (
          <a key={model} href={addressOfTasks(model, { state: 'RUNNING' })}>
            {model}
          </a>
        ))}
      </p>
      <label class="busy">
        <span>
          {number(running)} of {number(concurrency)} busy
          {held > running && `, ${number(held)} tasks in hand`}
        </span>
        <meter min={0} max={Math.max(concurrency, 1)} value={running} />
      </label>
      <p class="muted small">
        Started <When at={since} />, last heard of <When at={beat} />
        {silent && <span class="bad"> – its tasks are due again when their leases end</span>}
      </p>
      {tasks.length > 0 && (
        <ul class="held">
          {tasks.map((task) => (
            <li key={`${task.model} ${task.id}`}>
              <a href={addressOfTask(task.model, task.id)}>
                {task.model} {task.label}
              </a>
              <span class="muted">
                <When at={task.since} none="" /> · <Left until={task.leaseUntil} over="lease is over" />
              </span>
            </li>
          ))}
        </ul>
      )}
    </article>
  );
}
