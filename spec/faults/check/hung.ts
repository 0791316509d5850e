import { groupBy } from '../../../lib/values/group';
import type { EventOf } from '../events';
import { named, type Evidence, type Finding } from './evidence';
import { processOf } from '../history';

/** How much longer than its limit a stop may take, in milliseconds. */
const GRACE_MS = 1_000;

/** Parts of processes that did nothing while all was well, and stops that took longer than they may. */
export function findHung(evidence: Evidence): Finding[] {
  return [...standingStill(evidence), ...slowStops(evidence)];
}

function standingStill(evidence: Evidence): Finding[] {
  const gone = new Map(named(evidence, 'gone').map(({ process, at }) => [process, at]));
  const ended = new Map(named(evidence, 'ended').map(({ by, at }) => [by, at]));
  const started = named(evidence, 'started');
  const looks = groupBy(named(evidence, 'looked'), ({ by }) => by);

  return named(evidence, 'quiet').flatMap(({ at, until }) =>
    started
      .filter(({ by, at: from }) => from < at && (gone.get(by) ?? ended.get(by) ?? until) >= until)
      .flatMap(({ parts }) => parts)
      .filter((part) => !looks.get(part)?.some((look) => look.at > at && look.at <= until))
      .map((part) => ({
        subject: part,
        text: `did not look for tasks in the quiet ${Math.round(until - at)} ms from ${Math.round(at)}`,
      })),
  );
}

function slowStops(evidence: Evidence): Finding[] {
  const stopped = groupBy(named(evidence, 'stopped'), ({ by }) => by);
  // One that is frozen does nothing, and its death is noticed late: it was alive until the last line it wrote.
  const alive = new Map(evidence.events.map(({ by, at }) => [processOf(by), at]));

  return named(evidence, 'stopping').flatMap((stopping) => {
    const { by, at, limitMs } = stopping;
    const end = stopped.get(by)?.find((one) => one.at >= at);
    const allowedMs = limitMs + GRACE_MS + (end?.lagMs ?? 0);
    const tookMs = (end ? end.at : alive.get(processOf(by))!) - at;
    return tookMs > allowedMs ? [{ subject: by, text: describe(stopping, end, tookMs) }] : [];
  });
}

function describe({ limitMs, at }: EventOf<'stopping'>, end: EventOf<'stopped'> | undefined, tookMs: number): string {
  const took = `${end ? 'took' : 'was under way for'} ${Math.round(tookMs)} ms (lag ${end?.lagMs ?? '?'})`;

  return `stop({ timeoutMs: ${limitMs} }) at ${Math.round(at)} ${took}`;
}
