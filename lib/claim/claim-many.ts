import type { Definition, RawDocument } from '../definition/definition';
import { Batch } from './batch';
import { candidateIds } from './candidates';
import { claimById, claimOne } from './claim-one';
import { choiceOf, noteContention, someOf } from './contention';
import type { ReadyQuery } from './ready';
import { Refusals } from './refusals';
import { Tried } from './tried';

/** At most this many tasks per update when tasks are handed over in parts: while the next part is claimed, this one is begun. */
const PART = 200;

export type Take = (tasks: RawDocument[]) => Promise<void>;

/**
 * Claims up to `limit` ready tasks. Resolves to fewer only when no more are ready, not when other consumers were faster; or after an error
 * when some were claimed already: the next claim reports it.
 */
export async function claimMany(definition: Definition, query: ReadyQuery, limit: number): Promise<RawDocument[]> {
  const won: RawDocument[] = [];
  const refusals = new Refusals();
  const tried = new Tried();
  try {
    for (let isEnd = false; won.length < limit && !isEnd;) {
      const wanted = limit - won.length;
      const ids = await candidateIds(definition, query, wanted);
      const isAgain = tried.hadAll(ids);
      const claiming = isAgain ? claimNext(definition, query) : claimIds(definition, query, ids);
      const claimed = await refusals.unlessRefused(claiming, []);
      won.push(...claimed);
      isEnd = isAgain ? claimed.length === 0 : ids.length < wanted && claimed.length === ids.length;
    }
  } catch (error) {
    if (won.length === 0) throw error;
  }

  return won.length > 0 ? won : refusals.orNone(won);
}

/**
 * Claims up to `limit` ready tasks for a worker: `take` gets them as they come. It avoids tasks that other processes try to claim at the
 * same moment, at the price of the order. Resolves to the number of tasks.
 */
export async function claimManyInParts(
  definition: Definition,
  query: ReadyQuery,
  limit: number,
  take: Take,
): Promise<number> {
  let won = 0;
  const refusals = new Refusals();
  const tried = new Tried();
  while (won < limit) {
    const wanted = limit - won;
    const found = await candidateIds(definition, query, wanted * choiceOf(definition));
    if (found.length === 0) break;

    const ids = someOf(found, wanted);
    const isAgain = tried.hadAll(ids);
    const claiming = isAgain ? handOver(claimNext(definition, query), take) : claimParts(definition, query, ids, take);
    const claimed = await refusals.unlessRefused(claiming, 0);
    won += claimed;
    if (!isAgain) noteContention(definition, claimed / ids.length);
    if (isAgain ? claimed === 0 : found.length < wanted && claimed === ids.length) break;
  }

  return won > 0 ? won : refusals.orNone(won);
}

async function claimParts(
  definition: Definition,
  query: ReadyQuery,
  ids: readonly unknown[],
  take: Take,
): Promise<number> {
  const taken: Promise<number>[] = [];
  try {
    for (let start = 0; start < ids.length; start += PART) {
      const part = new Batch(definition, query, ids.slice(start, start + PART));
      await part.writeToken();
      const handedOver = handOver(part.readByToken(), take);
      // Awaited below; until then its rejection must not count as unhandled.
      handedOver.catch(() => {});
      taken.push(handedOver);
    }
  } finally {
    await Promise.allSettled(taken);
  }

  return (await Promise.all(taken)).reduce((sum, count) => sum + count, 0);
}

/** Hands tasks over once they are claimed. Resolves to their number. */
export async function handOver(claiming: Promise<RawDocument[]>, take: Take): Promise<number> {
  const tasks = await claiming;
  await take(tasks);

  return tasks.length;
}

/** Whatever comes next, by its place in the claim order. */
async function claimNext(definition: Definition, query: ReadyQuery): Promise<RawDocument[]> {
  const task = await claimOne(definition, query);

  return task ? [task] : [];
}

/** Claims those of the tasks that can still be claimed. Several are updated with one token, and then read by it. */
export async function claimIds(
  definition: Definition,
  query: ReadyQuery,
  ids: readonly unknown[],
): Promise<RawDocument[]> {
  if (ids.length === 0) return [];
  if (ids.length > 1) {
    const batch = new Batch(definition, query, ids);
    await batch.writeToken();
    return batch.readByToken();
  }

  const task = await claimById(definition, query, ids[0]);
  return task ? [task] : [];
}
