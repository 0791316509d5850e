import { claimMany, claimManyInParts, handOver, type Take } from '../claim/claim-many';
import { claimOne } from '../claim/claim-one';
import type { ReadyQuery } from '../claim/ready';
import type { Definition, RawDocument } from '../definition/definition';
import { hasDependencies } from '../dependencies/references';
import { claimReady } from './claim-judged';

/** Claims up to `limit` ready tasks, in claim order. */
export async function claim(definition: Definition, query: ReadyQuery, limit: number): Promise<RawDocument[]> {
  if (hasDependencies(definition.model)) return claimReady(definition, query, limit, false);
  if (limit > 1) return claimMany(definition, query, limit);

  const task = await claimOne(definition, query);
  return task ? [task] : [];
}

/** Claims up to `limit` ready tasks and hands them to `take` in one call. Resolves to their number. */
export async function claimAtOnce(
  definition: Definition,
  query: ReadyQuery,
  limit: number,
  take: Take,
): Promise<number> {
  return handOver(claim(definition, query, limit), take);
}

/** Claims up to `limit` ready tasks for a worker: `take` gets them as they come, and speed comes before order. Resolves to their number. */
export async function claimInParts(
  definition: Definition,
  query: ReadyQuery,
  limit: number,
  take: Take,
): Promise<number> {
  if (hasDependencies(definition.model)) return handOver(claimReady(definition, query, limit, true), take);
  if (limit > 1) return claimManyInParts(definition, query, limit, take);

  return claimAtOnce(definition, query, limit, take);
}
