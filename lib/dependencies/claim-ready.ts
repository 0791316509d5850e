import { isDeepStrictEqual } from 'node:util';
import { keyOf } from '../id';
import { claimIds, giveBack } from '../claim/claim';
import type { Definition, RawDocument } from '../definition';
import type { ReadyQuery } from '../claim/ready';
import { valueAt } from './condition';
import { judgeNext, setAside, type Judgement } from './judged';
import { recheck } from './recheck';
import { dependencyPaths } from './references';
import { wake } from './wake';

/** Candidates that are judged at once: few when the first is likely to be ready, more when it was not. */
const FIRST_WINDOW = 8;
const MAX_WINDOW = 500;

/**
 * Takes up to `limit` tasks whose dependencies are met. Tasks in front of them that must wait are parked on the way. The
 * outboxes are read at the same time; but that nothing is ready is said only after a look that came later.
 */
export async function claimReady(definition: Definition, query: ReadyQuery, limit: number): Promise<RawDocument[]> {
  const won: RawDocument[] = [];
  try {
    await claimInto(won, definition, query, limit);
  } catch (error) {
    // Nobody would see them before their leases end.
    await Promise.allSettled(won.map((task) => giveBack(definition, [task])));
    throw error;
  }

  return won;
}

async function claimInto(won: RawDocument[], definition: Definition, query: ReadyQuery, limit: number): Promise<void> {
  const claiming = claimJudgedNext(won, definition, query, limit);
  const [woken] = await Promise.allSettled([wake(definition), claiming]);
  await claiming;
  if (woken.status === 'rejected') throw woken.reason;
  if (won.length === 0 || (won.length < limit && woken.value > 0)) await claimJudgedNext(won, definition, query, limit);

  const isUnparked = (await recheck(definition)) > 0;
  if (won.length === 0 && isUnparked) await claimJudgedNext(won, definition, query, limit);
}

async function claimJudgedNext(
  won: RawDocument[],
  definition: Definition,
  query: ReadyQuery,
  limit: number,
): Promise<void> {
  const before = won.length;
  let window = Math.min(MAX_WINDOW, Math.max(FIRST_WINDOW, limit - before));
  while (won.length < limit) {
    const judgements = await judgeNext(definition, query, window);
    const ready = judgements.filter(({ verdict }) => verdict.kind === 'ready');
    const claimed = await claimJudged(definition, query, ready.slice(0, limit - won.length));
    won.push(...claimed);
    await setAside(definition, judgements);
    // What others took in the meantime may have been in front of more.
    const isEnd = judgements.length < window && claimed.length === ready.length && won.length > before;
    if (judgements.length === 0 || isEnd) break;
    if (ready.length === 0) window = Math.min(MAX_WINDOW, window * 4);
  }
}

/** Whether a task could be claimed now. Tasks that must wait are parked on the way. */
export async function hasReady(definition: Definition, query: ReadyQuery): Promise<boolean> {
  await wake(definition);
  for (;;) {
    const judgements = await judgeNext(definition, query, MAX_WINDOW);
    if (judgements.some(({ verdict }) => verdict.kind === 'ready')) return true;
    if (judgements.length === 0 && (await recheck(definition)) === 0) return false;
    await setAside(definition, judgements);
  }
}

// A task whose references were changed between its judgement and its claim goes back, to be judged by the new ones.
async function claimJudged(
  definition: Definition,
  query: ReadyQuery,
  ready: readonly Judgement[],
): Promise<RawDocument[]> {
  if (ready.length === 0) return [];
  const judged = new Map(ready.map(({ task }) => [keyOf(task._id), task]));
  const claimed = await claimIds(
    definition,
    query,
    ready.map(({ task }) => task._id as unknown),
  );
  // A claim does not read hidden paths.
  const paths = dependencyPaths(definition.model).filter((path) => !(path in (definition.hidden ?? {})));
  const isAsJudged = (task: RawDocument) =>
    paths.every((path) => isDeepStrictEqual(valueAt(task, path), valueAt(judged.get(keyOf(task._id)), path)));

  const changed = claimed.filter((task) => !isAsJudged(task));
  if (changed.length > 0) await giveBack(definition, changed);
  return claimed.filter(isAsJudged);
}
