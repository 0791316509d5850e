/** The life of a task as a line of time. */
import type { LifeEvent, TaskDetails } from '../../api';
import { now } from '../clock';
import { StateBadge } from '../parts/state';
import { When } from '../parts/when';
import { clockTime, exact, span, toneOf } from '../words';

/** A gap that is worth saying. */
const GAP_MS = 1_000;

export function Timeline({ task: { life, failures } }: { task: TaskDetails }) {
  const known = new Set(life.filter(({ kind }) => kind === 'failed').map(({ at }) => at));
  const older = failures.flatMap(({ at, attempt, name, message, stack }): LifeEvent[] =>
    at === null || known.has(at)
      ? []
      : [
          {
            at,
            kind: 'failed',
            text: `Attempt ${attempt ?? ''} failed: ${name ?? ''} ${message}`,
            ...(stack && { detail: stack }),
          },
        ],
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
  const [title = '', ...rest] = text.split(': ');

  return (
    <li data-kind={kind} data-tone={kind === 'settled' ? toneOf(title) : undefined} data-future={future || undefined}>
      <div class="event-head">
        {kind === 'settled' && toneOf(title) !== 'plain' ? <StateBadge state={title} /> : <strong>{title}</strong>}
        <time dateTime={at} title={exact(at)}>
          {clockTime(at, now())}
        </time>
        <span class="muted small">
          <When at={at} />
          {gap >= GAP_MS && ` · ${span(gap)} later`}
        </span>
      </div>
      {rest.length > 0 && <p>{rest.join(': ')}</p>}
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
