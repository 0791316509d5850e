import { claimMany, claimOne } from './claim';
import type { Definition, RawDocument } from '../definition';
import { claimReady } from '../dependencies/claim-ready';
import { hasDependencies } from '../dependencies/references';
import type { ReadyQuery } from './ready';

/** Callers that are served by one batch at the most. */
const MAX_BATCH = 500;
/** From so many callers on, one batch is cheaper than a claim for each. */
const WORTH_A_BATCH = 4;

interface Caller {
  resolve(task: RawDocument | null): void;
  reject(error: unknown): void;
}

const waitingFor = new WeakMap<Definition, Map<string, Caller[]>>();

/**
 * Claims the next task for a caller. Callers that come while a claim is under way are collected and served together by the next
 * one; a caller who is alone is served at once.
 */
export function claimNext(definition: Definition, query: ReadyQuery): Promise<RawDocument | null> {
  const queues = waitingFor.get(definition) ?? new Map<string, Caller[]>();
  waitingFor.set(definition, queues);
  const { name } = query;
  const waiting = queues.get(name);
  const promise = new Promise<RawDocument | null>((resolve, reject) => {
    const caller = { resolve, reject };
    if (waiting) waiting.push(caller);
    else queues.set(name, [caller]);
  });
  // In a microtask, so that all who call in the same moment are in the first batch.
  if (!waiting) queueMicrotask(() => void serve(definition, query, queues, name));

  return promise;
}

async function serve(
  definition: Definition,
  query: ReadyQuery,
  queues: Map<string, Caller[]>,
  name: string,
): Promise<void> {
  const waiting = queues.get(name)!;
  while (waiting.length > 0) await serveBatch(definition, query, waiting.splice(0, MAX_BATCH));
  queues.delete(name);
}

async function serveBatch(definition: Definition, query: ReadyQuery, callers: readonly Caller[]): Promise<void> {
  if (!hasDependencies(definition.model) && callers.length < WORTH_A_BATCH) {
    await Promise.all(callers.map(({ resolve, reject }) => claimOne(definition, query).then(resolve, reject)));
    return;
  }
  try {
    const claim = hasDependencies(definition.model) ? claimReady : claimMany;
    const claimed = await claim(definition, query, callers.length);
    callers.forEach(({ resolve }, index) => resolve(claimed[index] ?? null));
  } catch (error) {
    for (const { reject } of callers) reject(error);
  }
}
