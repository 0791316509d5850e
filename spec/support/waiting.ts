import type { mongo } from 'mongoose';

/** A dependency in words as plain as they can be, for a specification to be compared with. */
export interface Rule {
  readonly path: string;
  readonly any: boolean;
  readonly onFailed: string;
  readonly onMissing: string;
  /** The collection of the documents referred to. */
  readonly of: string;
  readonly when: Readonly<Record<string, readonly unknown[]>>;
  /** Whether those documents can fail. */
  readonly areTasks: boolean;
}

/** All documents of each collection at one moment. */
export type World = Readonly<Record<string, readonly mongo.Document[]>>;

export type Outcome = 'ready' | 'waits' | 'doomed';

/** What becomes of a task, by all of its rules. */
export function outcomeOf(rules: readonly Rule[], task: mongo.Document, world: World): Outcome {
  const outcomes = rules.map((rule) => outcomeByRule(rule, task, world));

  return outcomes.find((one) => one === 'doomed') ?? outcomes.find((one) => one === 'waits') ?? 'ready';
}

export function outcomeByRule(rule: Rule, task: mongo.Document, world: World): Outcome {
  const counted = idsAt(rule, task)
    .map((id) => standingOf(rule, documentIn(world, rule.of, id)))
    .filter((standing) => standing !== 'ignored');
  if (counted.length === 0) return 'ready';

  const [all, some] = [counted.every.bind(counted), counted.some.bind(counted)];
  if (rule.any ? all((one) => one === 'fatal') : some((one) => one === 'fatal')) return 'doomed';
  return (rule.any ? some((one) => one === 'met') : all((one) => one === 'met')) ? 'ready' : 'waits';
}

export function idsAt({ path }: Rule, task: mongo.Document): unknown[] {
  return [task[path] ?? []].flat();
}

export function documentIn(world: World, of: string, id: unknown): mongo.Document | undefined {
  return world[of]!.find(({ _id }) => String(_id) === String(id));
}

function standingOf(rule: Rule, document: mongo.Document | undefined): 'met' | 'open' | 'fatal' | 'ignored' {
  const byPolicy = (policy: string) => (policy === 'fail' ? 'fatal' : policy === 'ignore' ? 'ignored' : 'open');
  if (!document) return byPolicy(rule.onMissing);
  if (Object.entries(rule.when).every(([field, values]) => values.includes(document[field]))) return 'met';

  return rule.areTasks && document['state'] === 'FAILED' ? byPolicy(rule.onFailed) : 'open';
}
