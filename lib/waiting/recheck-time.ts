import type { Definition } from '../definition/definition';
import type { Target } from '../dependencies/targets';
import type { Awaited } from '../dependencies/verdict';

const MAX_RECHECK_MS = 3_600_000;
/** The first re-check of a task whose dependency cannot be watched, in milliseconds, and the longest one. */
const UNWATCHED_MS = 1_000;
const MAX_UNWATCHED_MS = 30_000;
/** Re-checks vary by this part, so that tasks which parked together are not all looked at together. */
const JITTER = 0.2;

type Bounds = readonly [min: number, max: number];

/** The shortest and the longest wait for the re-check of a task that waits for these documents, in milliseconds. */
function bounds({ options }: Definition, on: readonly Awaited[], target: Target | null): Bounds {
  const isWatched = target !== null && on.every(({ standing }) => standing !== 'missing');

  return isWatched ? [options.recheckMs, Math.max(options.recheckMs, MAX_RECHECK_MS)] : unwatched(options);
}

function unwatched({ recheckMs }: Definition['options']): Bounds {
  return [Math.min(UNWATCHED_MS, recheckMs), MAX_UNWATCHED_MS];
}

/** When a task that is inserted parked is looked at again although nothing woke it, in milliseconds. */
export function firstRecheckMs(definition: Definition, on: readonly Awaited[], target: Target | null): number {
  const [min] = bounds(definition, on, target);

  return Math.floor(min * (1 - JITTER + 2 * JITTER * Math.random()));
}

/** The same for one that is parked where it is, as the server computes it. */
export function recheckAt(definition: Definition, on: readonly Awaited[], target: Target | null): object {
  const [min] = bounds(definition, on, target);

  return after([min, min]);
}

/** The same after a re-check that changed nothing: the wait grows with the time the task has waited. */
export function laterRecheckAt(definition: Definition, on: readonly Awaited[], target: Target | null): object {
  return after(bounds(definition, on, target));
}

/** The same for one that waits for a document that cannot be marked. */
export function unwatchedRecheckAt({ options }: Definition): object {
  return after(unwatched(options));
}

function after([min, max]: Bounds): object {
  const waited = { $subtract: ['$$NOW', { $ifNull: ['$_task.expiresFrom', '$$NOW'] }] };
  const jitter = { $add: [1 - JITTER, { $multiply: [2 * JITTER, { $rand: {} }] }] };
  const wait = { $multiply: [{ $max: [min, { $min: [waited, max] }] }, jitter] };

  return notBeforeDue({ $add: ['$$NOW', { $toLong: wait }] });
}

/** A task that is not due by itself need not be looked at. */
export function notBeforeDue(time: object): object {
  return { $max: [time, '$_task.dueAt'] };
}
