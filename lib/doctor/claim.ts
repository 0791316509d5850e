import { type Category, readyQuery, type ReadyQuery } from '../claim/ready';
import type { Definition } from '../definition/definition';
import { read } from '../server/read';
import { answered } from '../server/time-limit';
import { MAX_MS } from './bounds';
import type { Check, Exam, Found } from './finding';

/** A claim seeks once for each priority in use, of which there are 201 at most. Who looks at more keys walks past tasks. */
const MOST_KEYS = 1_000;

export const claim: Check = {
  name: 'claim',
  about: 'a claim is served by its index, in order and without walking past tasks',
  isOfCollection: false,

  async look(exam: Exam): Promise<Found[]> {
    const found = await explain(exam, readyQuery(exam.definition));
    const category = await anyCategory(exam.definition);

    return category === null ? found : [...found, ...(await explain(exam, readyQuery(exam.definition, category)))];
  },
};

interface Stage {
  readonly stage?: string;
  readonly indexName?: string;
  readonly indexBounds?: Readonly<Record<string, readonly string[]>>;
}

interface Explained {
  readonly queryPlanner: { readonly winningPlan: object };
  readonly executionStats?: { readonly totalKeysExamined: number; readonly executionTimeMillis: number };
  readonly serverInfo?: { readonly version: string };
}

async function explain({ definition: { model } }: Exam, query: ReadyQuery): Promise<Found[]> {
  const { filter, hint, order: sort } = query;
  const find = { find: model.collection.collectionName, filter, hint, sort, limit: 1, maxTimeMS: MAX_MS };
  const command = { explain: find, verbosity: 'executionStats' };
  const explained = (await answered(model.db.db!.command(command, { readPreference: 'primary' }))) as Explained;
  const stages = stagesIn(explained.queryPlanner.winningPlan);
  const scan = stages.find((one) => one.indexName === hint);
  const on = `MongoDB ${explained.serverInfo?.version ?? ''}`.trim();
  const wrong = (text: string): Found => ({
    text: `${text} (${on}, ${hint})`,
    hint: 'Send us the output of `db.collection.find(…).hint(…).explain()`: this server plans the claim as no tested one does.',
    severity: 'error',
  });

  if (!scan) return [wrong('a claim does not use its index')];
  if (stages.some(({ stage }) => stage === 'SORT'))
    return [wrong('a claim sorts the tasks instead of reading them in order')];
  if (isOpen(scan.indexBounds?.['_task.availableAt'])) return [wrong('a claim walks past all tasks that are not due')];
  const keys = explained.executionStats?.totalKeysExamined ?? 0;
  if (keys <= MOST_KEYS) return [];

  return [
    {
      text: `a claim looks at ${keys.toLocaleString('en')} keys of ${hint}`,
      hint: 'Use few priorities: each one in use costs a seek.',
      severity: 'warning',
    },
  ];
}

// Where a plan has its stages differs with the server's version and engine.
function stagesIn(plan: unknown): Stage[] {
  if (plan === null || typeof plan !== 'object') return [];
  const own = 'stage' in plan ? [plan as Stage] : [];

  return [...own, ...Object.values(plan).flatMap(stagesIn)];
}

function isOpen(bounds: readonly string[] | undefined): boolean {
  return bounds?.some((one) => /^\[MinKey, MaxKey\]$/.test(one)) ?? false;
}

async function anyCategory(definition: Definition): Promise<Category | null> {
  const { model, options } = definition;
  if (!options.category) return null;
  const { filter, hint } = readyQuery(definition);
  const { category } = options.fields;
  const withCategory = { ...filter, [category]: { $type: 'string' } };
  const [found] = await read(model, {
    filter: withCategory,
    projection: { [category]: 1 },
    hint,
    limit: 1,
    maxTimeMS: MAX_MS,
  });

  return (found?.[category] as string | undefined) ?? 'any';
}
