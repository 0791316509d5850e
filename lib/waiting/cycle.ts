import { type AnyModel, namespaceOf, type RawDocument } from '../definition/definition';
import { hasDependencies, readReferences, referencesOfRaw } from '../dependencies/references';
import type { Judged } from '../dependencies/verdict';
import { read } from '../server/read';
import { keyOf } from '../values/id';

/** Tasks that wait for each other, from the first back to itself. */
export type Cycle = { model: string; id: unknown }[];

/** At most about this many documents are looked at in search of a cycle. */
const MAX_VISITED = 1_000;

interface Step {
  readonly model: AnyModel;
  readonly id: unknown;
  readonly from: Step | null;
}

/** The judged clauses of documents, by their names: many tasks may wait for the same document. */
export type Known = Map<string, Promise<Judged[]>>;

// Breadth first, so that the cycle shown is a shortest one.
export async function findCycle(model: AnyModel, id: unknown, clause: Judged, known: Known): Promise<Cycle | null> {
  const start: Step = { model, id, from: null };
  const visited = new Set<string>();
  let frontier = stepsFrom(start, clause);
  while (frontier.length > 0 && visited.size < MAX_VISITED) {
    const end = frontier.find((step) => nameOf(step) === nameOf(start));
    if (end) return trace(end);

    const fresh = frontier.filter((step) => !visited.has(nameOf(step)) && visited.add(nameOf(step)));
    frontier = (await Promise.all(fresh.map((step) => next(step, known)))).flat();
  }

  return null;
}

async function next(step: Step, known: Known): Promise<Step[]> {
  const judged = known.get(nameOf(step)) ?? judgeStored(step);
  known.set(nameOf(step), judged);

  return (await judged).flatMap((clause) => stepsFrom(step, clause));
}

async function judgeStored({ model, id }: Step): Promise<Judged[]> {
  if (!hasDependencies(model)) return [];
  const document = await findStored(model, id);
  if (!document) return [];

  return (await readReferences([referencesOfRaw(model, document)]))[0]!;
}

export async function findStored(model: AnyModel, _id: unknown): Promise<RawDocument | undefined> {
  const [found] = await read(model, { filter: { _id }, limit: 1 });

  return found;
}

function stepsFrom(from: Step, { target, references }: Judged): Step[] {
  if (!target) return [];

  return references.filter(({ standing }) => standing === 'unmet').map(({ id }) => ({ model: target.model, id, from }));
}

function trace(end: Step): Cycle {
  const steps: Cycle = [];
  for (let step: Step | null = end; step; step = step.from) steps.unshift({ model: step.model.modelName, id: step.id });

  return steps;
}

function nameOf({ model, id }: Step): string {
  return `${namespaceOf(model)}:${keyOf(id)}`;
}
