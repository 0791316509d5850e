import type { Definition } from '../definition/definition';
import type { Target } from '../dependencies/targets';
import type { Awaited } from '../dependencies/verdict';

const MAX_RECHECK_MS = 3_600_000;
/** How long the first re-check waits when a dependency cannot be watched, in milliseconds, and how long later ones wait at most. */
const UNWATCHED_MS = 1_000;
const MAX_UNWATCHED_MS = 30_000;
/** The part by which re-checks vary, so that tasks which were parked together are not all judged together. */
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

/** How long the first re-check of a task that is inserted parked waits, in milliseconds. */
export function firstRecheckMs(definition: Definition, on: readonly Awaited[], target: Target | null): number {
  const [min] = bounds(definition, on, target);

  return Math.floor(min * (1 - JITTER + 2 * JITTER * Math.random()));
}

/** The expression for the first re-check of a task that is parked by an update. */
export function recheckAt(definition: Definition, on: readonly Awaited[], target: Target | null): object {
  const [min] = bounds(definition, on, target);

  return after([min, min]);
}

/** The expression for the re-check after one that changed nothing: the wait grows with the time the task has waited. */
export function laterRecheckAt(definition: Definition, on: readonly Awaited[], target: Target | null): object {
  return after(bounds(definition, on, target));
}

/** The expression for the re-check of a task that waits for a document which cannot be marked. */
export function unwatchedRecheckAt({ options }: Definition): object {
  return after(unwatched(options));
}

function after([min, max]: Bounds): object {
  const waited = { $subtract: ['$$NOW', { $ifNull: ['$_task.expiresFrom', '$$NOW'] }] };
  const jitter = { $add: [1 - JITTER, { $multiply: [2 * JITTER, { $rand: {} }] }] };
  const wait = { $multiply: [{ $max: [min, { $min: [waited, max] }] }, jitter] };

  return notBeforeDue({ $add: ['$$NOW', { $toLong: wait }] });
}

/** The later of a time and the due time: a task that is not due need not be judged. */
export function notBeforeDue(time: object): object {
  return { $max: [time, '$_task.dueAt'] };
}
