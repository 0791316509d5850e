/** All of one task. */
import { useState } from 'preact/hooks';
import type { TaskDetails } from '../../api';
import { useAllowed } from '../about';
import { path } from '../client';
import { now } from '../clock';
import { ActButtons } from '../parts/act-buttons';
import { Icon } from '../parts/icon';
import { Empty, Missing } from '../parts/notice';
import { StateBadge } from '../parts/state';
import { Value } from '../parts/value';
import { useResource } from '../resource';
import { addressOfTasks } from '../route';
import { useShortcuts } from '../shortcuts';
import type { VerbName } from '../verbs';
import { ENDED, standing } from '../words';
import { Dependencies } from './dependencies';
import { EditDialog } from './edit-dialog';
import { Facts } from './facts';
import { Timeline } from './timeline';

const OFFERED: readonly VerbName[] = ['run', 'retry', 'requeue', 'unschedule', 'cancel', 'delete'];

export function Task({ model, id }: { model: string; id: string }) {
  const task = useResource<TaskDetails>(path('task', { model, id }), { models: [model] });
  const { data, error } = task;
  const [editing, edit] = useState(false);
  const may = useAllowed(model);
  const canEdit = data !== undefined && data.actions.includes('edit') && data.editable.length > 0 && may('edit');
  useShortcuts({ r: task.reload, e: () => canEdit && edit(true) });
  if (error?.status === 404)
    return (
      <>
        <h1>Not found</h1>
        <Empty title="This task is not there" icon="search">
          It was deleted, by somebody or because its time was over. <a href={addressOfTasks(model)}>Tasks of {model}</a>
        </Empty>
      </>
    );
  const actions = OFFERED.filter((action) => data?.actions.includes(action) && may(action));
  const done = () => task.reload();

  return (
    <>
      <p class="crumbs">
        <a href={addressOfTasks(model)}>
          <Icon name="back" size={14} />
          {model}
        </a>
      </p>
      <Missing of={task} />
      {data && (
        <>
          <div class="title-row">
            <h1>
              {data.row.summary || 'Task'} <code class="title-id">{data.row.label}</code>
            </h1>
            <StateBadge state={standing(data.row, undefined, now())} />
            <span class="grow" />
            <div class="buttons">
              {canEdit && (
                <button type="button" onClick={() => edit(true)}>
                  Edit
                </button>
              )}
              <ActButtons
                actions={actions}
                on={{ model, ids: [id], ...(ENDED.includes(data.row.state) && { state: data.row.state }) }}
                subject={`task ${data.row.label}`}
                onDone={done}
              />
            </div>
          </div>
          <div class="task-columns">
            <div class="column">
              <Facts task={data} />
              <Fields fields={data.fields} />
            </div>
            <div class="column">
              <Dependencies model={model} id={id} blockedBy={data.blockedBy} />
              <Timeline task={data} />
            </div>
          </div>
          {editing && (
            <EditDialog
              model={model}
              id={id}
              task={data}
              onClose={(changed) => {
                edit(false);
                if (changed) done();
              }}
            />
          )}
        </>
      )}
    </>
  );
}

function Fields({ fields }: { fields: TaskDetails['fields'] }) {
  const entries = Object.entries(fields);

  return (
    <section class="card" aria-labelledby="fields">
      <h2 id="fields">Fields</h2>
      {entries.length === 0 ? (
        <p class="muted pad">The document has no fields of its own.</p>
      ) : (
        <dl class="fields">
          {entries.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                <code>
                  <Value of={value} />
                </code>
              </dd>
            </div>
          ))}
        </dl>
      )}
    </section>
  );
}
