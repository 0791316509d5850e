import { type AnyModel, collectionOf } from '../definition/definition';
import { NEWEST } from '../server/read';
import { answered } from '../server/time-limit';
import type { TaskPage } from './answers';
import type { Query } from './filter';
import { ANSWER_MS } from './limits';

interface Stage {
  readonly stage?: string;
  readonly indexName?: string;
  readonly keyPattern?: Record<string, unknown>;
  readonly inputStage?: Stage;
  readonly inputStages?: readonly Stage[];
  readonly queryPlan?: Stage;
}

/** How the server would find the tasks. It does not run the query. */
export async function planOf(model: AnyModel, { filter, sort, paths }: Query): Promise<TaskPage['plan']> {
  const plans = await explain(model, filter, sort);
  if (!plans) return { index: null, warning: 'The server did not tell in time how it finds these tasks.' };
  const [stages = []] = plans;
  const isScan = ({ indexName }: Stage) => indexName !== undefined;
  const index = stages.find(isScan)?.indexName ?? (stages.some(({ stage }) => isById(stage)) ? '_id_' : null);
  if (index === null) return { index, warning: 'No index serves this: every document may have to be read.' };
  if (index === '_id_' && paths.length === 0) return { index, warning: null };

  return {
    index,
    warning: isServed(paths, plans.flat().filter(isScan)) || index === '_id_' ? null : notServed(paths, index),
  };
}

/** The stages of the plan that is taken, and of each that was weighed against it: with few documents any may win. */
async function explain(model: AnyModel, filter: Query['filter'], sort: Query['sort']): Promise<Stage[][] | null> {
  const cursor = collectionOf(model).find(filter, { sort, limit: 1, maxTimeMS: ANSWER_MS, ...NEWEST });
  const explained = (await answered(cursor.explain('queryPlanner')).catch(() => null)) as {
    queryPlanner?: { winningPlan?: Stage; rejectedPlans?: readonly Stage[] };
  } | null;
  const { winningPlan, rejectedPlans = [] } = explained?.queryPlanner ?? {};

  return winningPlan ? [winningPlan, ...rejectedPlans].map((one) => stagesIn(one.queryPlan ?? one)) : null;
}

function stagesIn(stage: Stage): Stage[] {
  const below = [...(stage.inputStages ?? []), ...(stage.inputStage ? [stage.inputStage] : [])];

  return [stage, ...below.flatMap(stagesIn)];
}

function isById(stage = ''): boolean {
  return stage === 'IDHACK' || stage === 'EXPRESS_IXSCAN' || stage === 'EXPRESS_CLUSTERED_IXSCAN';
}

/** Whether an index has one of the paths that were asked for; then the others are looked at in what it finds. */
function isServed(paths: readonly string[], scans: readonly Stage[]): boolean {
  const indexed = scans.flatMap(({ keyPattern = {} }) => Object.keys(keyPattern));

  return paths.length === 0 || paths.some((path) => indexed.includes(path));
}

function notServed(paths: readonly string[], index: string): string {
  const named = [...new Set(paths)].slice(0, 3).map((path) => `\`${path}\``);

  return `No index has ${named.join(' or ')}: all tasks in the index ${index} may have to be read.`;
}
