/** The life of a task as a line of time. */
import type { LifeEvent, TaskDetails } from '../../api';
import { now } from '../clock';
import { When } from '../parts/when';
import { clockTime, exact, span } from '../words';

const TITLES: Record<LifeEvent['kind'], string> = {
  pushed: 'Pushed',
  due: 'Due',
  claimed: 'Claimed',
  failed: 'Attempt failed',
  progress: 'Progress',
  settled: 'Settled',
  cancelled: 'Cancelled',
  snoozed: 'Put off',
};

/** A gap that is worth saying. */
const GAP_MS = 1_000;

export function Timeline({ task: { life, failures } }: { task: TaskDetails }) {
  const known = new Set(life.filter(({ kind }) => kind === 'failed').map(({ at }) => at));
  const older = failures.flatMap(({ at, attempt, name, message, stack }): LifeEvent[] =>
    at === null || known.has(at)
      ? []
      : [{ at, kind: 'failed', text: `${attempt ?? ''} ${name ?? ''}: ${message}`, ...(stack && { detail: stack }) }],
  );
  const events = [...life, ...older].toSorted((one, other) => Date.parse(one.at) - Date.parse(other.at));

  return (
    <section class="card" aria-labelledby="life">
      <h2 id="life">Life</h2>
      {events.length === 0 ? (
        <p class="muted pad">Nothing is written down of this task.</p>
      ) : (
        <ol class="timeline">
          {events.map((event, index) => (
            <Event key={index} event={event} before={events[index - 1]} />
          ))}
        </ol>
      )}
    </section>
  );
}

function Event({ event: { at, kind, text, detail, by }, before }: { event: LifeEvent; before: LifeEvent | undefined }) {
  const gap = before ? Date.parse(at) - Date.parse(before.at) : 0;
  const future = Date.parse(at) > now();

  return (
    <li data-kind={kind} data-future={future || undefined}>
      <div class="event-head">
        <strong>{TITLES[kind] ?? kind}</strong>
        <time dateTime={at} title={exact(at)}>
          {clockTime(at, now())}
        </time>
        <span class="muted small">
          <When at={at} />
          {gap >= GAP_MS && ` · ${span(gap)} later`}
        </span>
      </div>
      {text && <p>{text}</p>}
      {by && <p class="muted small">by {by}</p>}
      {detail && (
        <details>
          <summary>Stack</summary>
          <pre tabIndex={0}>{detail}</pre>
        </details>
      )}
    </li>
  );
}
