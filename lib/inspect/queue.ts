import { type AnyModel, definitionOf } from '../definition/definition';
import { existingIndexes } from '../indexes/existing';
import { taskIndexes } from '../indexes/task-indexes';
import { connected, serverNow } from '../server/clock';
import { paused } from '../side/pause';
import { workers } from '../side/workers';
import type { HistoryRow, Problem, QueueSummary } from './answers';
import { type Figures, figuresOf } from './figures';
import { historyOf } from './history';
import { problemsOf } from './problems';
import { publicText } from './public-text';
import { schedulesOf } from './schedules';
import type { View } from './view';

/** What is shown of a queue at first. */
export interface LookedAt {
  readonly queue: QueueSummary;
  readonly problems: Problem[];
}

/** Looks at one queue. It never rejects: what cannot be read is told as `error`. */
export async function lookAt(view: View, model: AnyModel): Promise<LookedAt> {
  try {
    return await look(view, model);
  } catch (error) {
    return { queue: { ...summaryOf(model, NOTHING, [], 0, false), error: publicText(error) }, problems: [] };
  }
}

async function look(view: View, model: AnyModel): Promise<LookedAt> {
  const isWritten = definitionOf(model).options.history;
  await connected(model);
  const missingIndexes = await missing(model);
  const [pauses, crew, minutes, now] = await Promise.all([
    paused(model),
    isWritten ? workers(model) : [],
    isWritten ? historyOf(model, 60) : [],
    serverNow(model),
  ]);
  // Without its indexes the queue cannot be counted within bounds: that they are missing is what has to be told.
  const error =
    missingIndexes.length > 0 ? `Not counted, because indexes are missing: ${missingIndexes.join(', ')}` : null;
  const [figures, schedules] =
    error === null ? await Promise.all([figuresOf(model), schedulesOf(view, model)]) : [NOTHING, []];
  const isPaused = pauses.some(({ category }) => category === null);
  const known = { figures, pauses, workers: isWritten ? crew.length : null, schedules, missingIndexes };

  return {
    queue: { ...summaryOf(model, figures, minutes, crew.length, isPaused), ...(error !== null && { error }) },
    problems: problemsOf(model, known, now),
  };
}

const NOTHING: Figures = {
  created: 0,
  running: 0,
  ready: 0,
  delayed: 0,
  blocked: 0,
  failed: 0,
  cancelled: 0,
  failedLastHour: 0,
  oldestReadyAgeMs: null,
};

function summaryOf(
  { modelName: model }: AnyModel,
  figures: Figures,
  minutes: readonly HistoryRow[],
  crew: number,
  isPaused: boolean,
): QueueSummary {
  const sum = (name: 'finished' | 'failed') => minutes.reduce((total, one) => total + one[name], 0);

  return {
    model,
    ...figures,
    paused: isPaused,
    finishedLastHour: sum('finished'),
    failedLastHour: Math.max(sum('failed'), figures.failedLastHour),
    workers: crew,
    spark: minutes.map(({ at, finished, failed }) => ({ at, finished, failed })),
  };
}

/** The indexes of the queue that are not there. Of a collection that does not exist none is missed. */
async function missing(model: AnyModel): Promise<string[]> {
  const found = await existingIndexes(model);
  if (found.length === 0) return [];
  const names = new Set(found.map(({ name }) => name));

  return taskIndexes(definitionOf(model)).flatMap(({ name, expireAfterSeconds }) =>
    names.has(name) || expireAfterSeconds !== undefined ? [] : [name],
  );
}
