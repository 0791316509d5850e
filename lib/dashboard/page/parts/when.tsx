/** A time as people say it; the exact one is its title. */
import { now, useTicking } from '../clock';
import { exact, relative, span } from '../words';

export function When({ at, none = '–' }: { at: string | null | undefined; none?: string }) {
  const text = useTicking(() => (at ? relative(Date.parse(at), now()) : none));
  if (!at) return <span class="muted">{none}</span>;

  return (
    <time dateTime={at} title={exact(at)}>
      {text}
    </time>
  );
}

/** How long it is until then; `over` once it has been. */
export function Left({ until, over }: { until: string; over: string }) {
  const text = useTicking(() => {
    const left = Date.parse(until) - now();
    return left > 0 ? `${span(Math.max(left, 1_000))} left` : over;
  });

  return (
    <time dateTime={until} title={exact(until)}>
      {text}
    </time>
  );
}
