import { isKeyed } from '../claim/behind';
import { claimIds } from '../claim/claim-many';
import { giveBack, giveBackLater } from '../claim/give-back';
import { claimNameless } from '../claim/nameless';
import type { ReadyQuery } from '../claim/ready';
import { Tried } from '../claim/tried';
import type { Definition, RawDocument } from '../definition/definition';
import { kindKey } from '../dependencies/references';
import { generationOf } from '../server/clock';
import { heldAsClaimed } from '../task/held';
import { isExact } from '../values/id';
import { type Judgement, judgeNext, setAside } from '../waiting/judged';
import { outdatedOf } from '../waiting/outdated';
import { recheck } from '../waiting/recheck';
import { Sightings } from '../waiting/sightings';
import { wake } from '../waiting/wake';
import { Obstacles } from './obstacles';
import { Waking } from './waking';

/** How many candidates are judged at once: few at first, since one of them is likely to be ready; more when none was. */
const FIRST_WINDOW = 8;
const MAX_WINDOW = 500;
/** At most this many tasks are parked at once when many wait for the same documents. */
const MAX_ASIDE = 1_000;
/** About how many references are read at once, estimated by the tasks before: one task may have thousands. */
const MAX_REFERENCES = 20_000;

/**
 * Claims up to `limit` tasks whose dependencies are met, and parks the tasks in front of them that must wait. With `isSpread` speed
 * comes before order.
 */
export async function claimReady(
  definition: Definition,
  query: ReadyQuery,
  limit: number,
  isSpread: boolean,
): Promise<RawDocument[]> {
  const won: RawDocument[] = [];
  try {
    await claimInto(won, definition, query, limit, new Waking(definition, isSpread));
  } catch (error) {
    // The claimed tasks go back: no consumer would get them before their leases end.
    for (const task of won) giveBackLater(definition, heldAsClaimed(definition, [task]));
    throw error;
  }

  return won;
}

/** Reads outboxes and candidates at the same time. "Nothing is ready" is reported only after a look that began after the outboxes. */
async function claimInto(
  won: RawDocument[],
  definition: Definition,
  query: ReadyQuery,
  limit: number,
  waking: Waking,
): Promise<void> {
  const claiming = claimJudgedNext(won, definition, query, limit, waking);
  const [woken] = await Promise.allSettled([waking.woken, claiming]);
  await claiming;
  if (woken.status === 'rejected') throw woken.reason;
  const hasNews = won.length === 0 || (won.length < limit && woken.value > 0);
  if (hasNews && !waking.wasLookedAfter) await claimJudgedNext(won, definition, query, limit, waking);

  const unparked = recheck(definition);
  if (won.length === 0) {
    if ((await unparked) > 0) await claimJudgedNext(won, definition, query, limit, waking);
    if (won.length === 0) waking.refusals.orNone(null);
    return;
  }
  // A caller with a task need not wait for the re-check; an error of it is reported by the next one.
  unparked.catch(() => {});
}

async function claimJudgedNext(
  won: RawDocument[],
  definition: Definition,
  query: ReadyQuery,
  limit: number,
  waking: Waking,
): Promise<void> {
  const before = won.length;
  const obstacles = new Obstacles(kindKey(definition.model));
  const sightings = new Sightings(definition.model);
  const tried = new Tried();
  let window = Math.min(MAX_WINDOW, Math.max(FIRST_WINDOW, limit - before));
  let most = MAX_ASIDE;
  while (won.length < limit) {
    waking.look();
    const generation = generationOf(definition.model);
    const judgements = await judgeNext(definition, obstacles.past(query), window);
    if (await waking.hasOvertaken()) {
      // Once parked, the tasks that must wait are out of the way of the next look.
      await setAside(definition, judgements);
      continue;
    }

    const ready = judgements.filter(({ verdict }) => verdict.kind === 'ready');
    const isUnsure = ({ task }: Judgement) => !isExact(task._id) || tried.has(task._id);
    // One that could not be claimed must not keep back those behind it.
    const sure = ready.filter((one) => !isUnsure(one));
    const asked = [...sure, ...ready.filter(isUnsure)].slice(0, limit - won.length);
    const claimed = await claimJudged(definition, query, asked, generation, waking);
    won.push(...claimed);
    await setAside(definition, judgements);
    // Behind tasks that other consumers have just taken there may be more.
    const isEnd = judgements.length < window && claimed.length === ready.length && won.length > before;
    if (judgements.length === 0 || isEnd) break;
    const left = new Set(sure.slice(asked.length));
    const isStuck = sightings.note(judgements.filter((one) => !left.has(one))) && left.size === 0;
    if (isStuck || (claimed.length === 0 && asked.length > sure.length)) {
      const nameless = await waking.refusals.unlessRefused(claimNameless(definition, query), null);
      if (nameless) won.push(nameless);
      else if (isStuck) break;
    }
    if (claimed.length < asked.length) tried.add(asked.map(({ task }) => task._id as unknown));
    most = asManyAs(judgements);
    window = Math.min(MAX_WINDOW, most, ready.length === 0 ? window * 4 : window);
    obstacles.note(judgements);
  }
  // The tasks that the obstacles hold up are parked little by little: some at each claim.
  if (obstacles.areThere) await setAside(definition, await judgeNext(definition, obstacles.behind(query), most));
}

/** At most how many tasks to judge next, so that about MAX_REFERENCES references are read. */
function asManyAs(judgements: readonly Judgement[]): number {
  const references = judgements.reduce((sum, one) => sum + one.references, 0);

  return references === 0
    ? MAX_ASIDE
    : Math.min(MAX_ASIDE, Math.ceil((MAX_REFERENCES * judgements.length) / references));
}

/** Whether a task could be claimed now. Parks the tasks it meets that must wait. */
export async function hasReady(definition: Definition, query: ReadyQuery): Promise<boolean> {
  await wake(definition);
  let obstacles = new Obstacles(kindKey(definition.model));
  const sightings = new Sightings(definition.model);
  let window = FIRST_WINDOW;
  for (;;) {
    const judgements = await judgeNext(definition, obstacles.past(query), window);
    window = Math.min(MAX_WINDOW, asManyAs(judgements));
    if (judgements.some(({ verdict }) => verdict.kind === 'ready')) return true;
    await setAside(definition, judgements);
    obstacles.note(judgements);
    if (sightings.note(judgements)) return false;
    if (judgements.length > 0) continue;
    if ((await recheck(definition)) === 0) return false;
    // Tasks woken by the re-check may wait for an obstacle, and must be judged.
    obstacles = new Obstacles(kindKey(definition.model));
  }
}

/** Claims tasks that were judged ready. A task whose judgement is outdated when it is claimed goes back, to be judged again. */
async function claimJudged(
  definition: Definition,
  query: ReadyQuery,
  ready: readonly Judgement[],
  generation: number | undefined,
  { refusals }: Waking,
): Promise<RawDocument[]> {
  if (ready.length === 0) return [];
  const ids = ready.map(({ task }) => task._id as unknown);
  const claimed = await refusals.unlessRefused(claimIds(definition, query, ids), []);
  if (claimed.length === 0) return claimed;
  try {
    const outdated = new Set(await outdatedOf(definition, ready, claimed, generation));
    if (outdated.size > 0) await putBack(definition, [...outdated]);
    return claimed.filter((task) => !outdated.has(task));
  } catch (error) {
    giveBackLater(definition, heldAsClaimed(definition, claimed));
    throw error;
  }
}

async function putBack(definition: Definition, outdated: readonly RawDocument[]): Promise<void> {
  await giveBack(definition, heldAsClaimed(definition, outdated), outdated.some(isKeyed));
}
