import type { AnyModel } from '../definition/definition';
import type { Pause } from '../side/pause';
import type { Problem, ProblemKind, ScheduleRow } from './answers';
import type { Figures } from './figures';
import { MAX_COUNT } from './limits';
import { duration } from './schedule';

/** A ready task that waits for so long, in milliseconds, is late. */
const LATE_MS = 60_000;
/** After so long, in milliseconds, somebody should have come. */
const NOBODY_MS = 30_000;

/** The worst first. */
const ORDER: readonly ProblemKind[] = ['nobody', 'index', 'paused', 'full', 'late', 'failed', 'stuck-schedule'];

/** What is known of a queue. */
export interface Known {
  readonly figures: Figures;
  readonly pauses: readonly Pause[];
  /** How many workers work it; null where workers do not write that down. */
  readonly workers: number | null;
  readonly schedules: readonly ScheduleRow[];
  readonly missingIndexes: readonly string[];
}

/** What is wrong with a queue. */
export function problemsOf(model: AnyModel, known: Known, now: Date): Problem[] {
  const problem = (kind: ProblemKind, text: string, route: string, more: Partial<Problem> = {}): Problem => ({
    kind,
    model: model.modelName,
    text,
    count: null,
    since: null,
    route: `${encodeURIComponent(model.modelName)}/${route}`,
    ...more,
  });

  return [...unserved(known, now, problem), ...stopped(known, problem), ...failing(known, problem)];
}

/** The problems of all queues, the worst first. */
export function worstFirst(problems: readonly Problem[]): Problem[] {
  return problems.toSorted((one, other) => ORDER.indexOf(one.kind) - ORDER.indexOf(other.kind));
}

type Say = (kind: ProblemKind, text: string, route: string, more?: Partial<Problem>) => Problem;

function unserved({ figures, pauses, workers }: Known, now: Date, problem: Say): Problem[] {
  const { ready, running, oldestReadyAgeMs: age } = figures;
  if (age === null || pauses.some(({ category }) => category === null)) return [];
  const more = { count: ready, since: new Date(now.getTime() - age).toISOString() };
  if (workers === 0 && running === 0 && age > NOBODY_MS)
    return [
      problem(
        'nobody',
        `Nobody works this queue: ${counted(ready, 'task')} ready, no worker`,
        'tasks?state=ready',
        more,
      ),
    ];
  if (age < LATE_MS) return [];
  const waits = duration(Math.floor(age / LATE_MS) * LATE_MS);

  return [problem('late', `The oldest ready task has been ready for ${waits}`, 'tasks?state=ready', more)];
}

function stopped({ pauses, missingIndexes }: Known, problem: Say): Problem[] {
  const missing = missingIndexes.join(', ');

  return [
    ...pauses.map(({ category, reason, since }) =>
      problem(
        'paused',
        `${category === null ? 'Paused' : `The category ${category} is paused`}${reason === null ? '' : `: ${reason}`}`,
        'tasks?state=ready',
        { since: since.toISOString() },
      ),
    ),
    ...(missingIndexes.length > 0
      ? [
          problem('index', `Missing indexes: ${missing}. Call \`ensureTaskIndexes()\``, 'tasks', {
            count: missingIndexes.length,
          }),
        ]
      : []),
  ];
}

function failing({ figures, schedules }: Known, problem: Say): Problem[] {
  const { failedLastHour: count } = figures;
  const late = schedules.filter(({ overdue }) => overdue);

  return [
    ...(count > 0
      ? [problem('failed', `${counted(count, 'task')} failed in the last hour`, 'tasks?state=FAILED', { count })]
      : []),
    ...(late.length > 0
      ? [
          problem('stuck-schedule', `${counted(late.length, 'schedule')} overdue: ${namesOf(late)}`, 'schedules', {
            count: late.length,
          }),
        ]
      : []),
  ];
}

function namesOf(rows: readonly ScheduleRow[]): string {
  return rows
    .slice(0, 3)
    .map(({ key, label }) => key ?? label)
    .join(', ');
}

function counted(count: number, what: string): string {
  const number = count >= MAX_COUNT ? '10,000 or more' : String(count);

  return `${number} ${what}${count === 1 ? '' : 's'}`;
}
