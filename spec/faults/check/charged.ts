import { groupBy } from '../../../lib/values/group';
import type { EventOf } from '../events';
import { endingIntents, holdsOf, killsOf, named, type Evidence, type Finding } from './evidence';
import { processOf } from '../history';

/** How long before and after it a fault may have taken the answer to a claim with it. */
const AROUND_MS = 3_000;
/** How long a process may hold a task before it tells of it. */
const UNTOLD_MS = 5_000;

/** Attempts that were charged although nobody was handed the task, or although its handler did what it should. */
export function findCharged(evidence: Evidence): Finding[] {
  return [...chargedForNothing(evidence), ...chargedInSpite(evidence)];
}

function chargedForNothing(evidence: Evidence): Finding[] {
  const handed = holdsOf(evidence);
  const intents = endingIntents(evidence);
  const isExcused = excuses(evidence);
  const byTask = groupBy(named(evidence, 'held'), ({ task }) => task);

  return [...byTask].flatMap(([task, seen]) => {
    const fences = new Set((handed.get(task) ?? []).map(({ fence }) => fence));
    const unseen = seen.filter(
      (held) => intents.has(task) && !fences.has(held.fence) && isCharged(held, seen, evidence),
    );
    return unseen
      .filter((held) => !isExcused(held))
      .map(({ fence, claimedAt, token }) => ({
        subject: task,
        text: `fence ${fence}, claimed at ${claimedAt} by ${ownerOf(evidence, token)}, was handed to nobody`,
      }));
  });
}

// What is given back takes its attempt with it: then the next claim has the same number, or the task as it is stored a lower one.
function isCharged(held: EventOf<'held'>, seen: readonly EventOf<'held'>[], { tasks }: Evidence): boolean {
  const next = seen.find(({ fence }) => fence === held.fence + 1);
  if (next) return next.attempts === held.attempts + 1;
  const stored = tasks.get(held.task);

  return stored?.fence === held.fence && stored.attempts === held.attempts;
}

function excuses(evidence: Evidence): (held: EventOf<'held'>) => boolean {
  const owners = new Map(named(evidence, 'started').map(({ unique, by }) => [unique, processOf(by)]));
  const kills = killsOf(evidence);
  const faults = named(evidence, 'fault').filter(({ losesAnswers }) => losesAnswers);

  return ({ token, claimedAt }) => {
    const killedAt = kills.get(owners.get(token) ?? '');
    if (killedAt !== undefined && killedAt < claimedAt + UNTOLD_MS) return true;
    return faults.some(({ at, until }) => claimedAt > at - AROUND_MS && claimedAt < until + AROUND_MS);
  };
}

function ownerOf(evidence: Evidence, token: string): string {
  return named(evidence, 'started').find(({ unique }) => unique === token)?.by ?? 'somebody unknown';
}

/** A lost connection, or a server that is down, is no failure of the task. */
function chargedInSpite(evidence: Evidence): Finding[] {
  return [...holdsOf(evidence).values()].flat().flatMap(({ task, fence, by, settling, settled }) => {
    const blamed = settled.find(({ outcome }) => outcome === 'retried' || outcome === 'failed');
    if (settling?.outcome !== 'finished' || !blamed) return [];
    return [
      {
        subject: task,
        text: `its handler finished for ${by} (fence ${fence}), it was ${blamed.outcome}: ${blamed.error ?? ''}`,
      },
    ];
  });
}
