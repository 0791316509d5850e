import type { EventOf, Outcome } from '../events';
import { CLOCKS_MS, endingIntents, holdsOf, type Evidence, type Finding, type Hold } from './evidence';

/** Tasks that were handed out before they were due, or before what they wait for was done for good. */
export function findEarly(evidence: Evidence): Finding[] {
  const holds = holdsOf(evidence);
  const intents = endingIntents(evidence);

  return [...holds].flatMap(([task, ofTask]) => {
    const intent = intents.get(task);
    const reasons = ofTask.flatMap((hold, index) => [
      ...(intent ? beforeItsTime(hold, ofTask.slice(0, index), intent, evidence.toleranceMs) : []),
      ...(intent ? beforeItsNeeds(hold, intent, holds) : []),
    ]);
    return reasons.map((text) => ({ subject: task, text }));
  });
}

function beforeItsTime(
  { by, claimedAt, fence }: Hold,
  earlier: readonly Hold[],
  { at, delayMs }: EventOf<'pushing'>,
  toleranceMs: number,
): string[] {
  const last = earlier.at(-1);
  const retried = last?.settled.some(({ outcome }) => outcome === 'retried') ? last.settling : null;
  const dueAt = retried?.outcome === 'retried' ? retried.at + retried.delayMs : at + delayMs;
  if (claimedAt >= dueAt - toleranceMs) return [];

  return [`was handed to ${by} (fence ${fence}) ${Math.round(dueAt - claimedAt)} ms before it was due`];
}

function beforeItsNeeds(
  { by, fence, claimedAt }: Hold,
  { needs }: EventOf<'pushing'>,
  holds: ReadonlyMap<string, readonly Hold[]>,
): string[] {
  const isDone = (id: string, outcome: Outcome) => wasDone(holds.get(id) ?? [], outcome, claimedAt);
  const open = [
    ...needs.all.filter((id) => !isDone(id, 'finished')),
    ...needs.broken.filter((id) => !isDone(id, 'failed')),
    ...(needs.any.length > 0 && !needs.any.some((id) => isDone(id, 'finished')) ? needs.any : []),
  ];

  return open.map((id) => `was handed to ${by} (fence ${fence}, at ${Math.round(claimedAt)}) while ${id} was not done`);
}

/** Whether an end was asked for before a moment, and nobody was handed the task afterwards: that end has lasted. */
function wasDone(holds: readonly Hold[], wanted: Outcome, moment: number): boolean {
  const isAsked = holds.some(({ settling }) => settling?.outcome === wanted && settling.at <= moment + CLOCKS_MS);

  return isAsked && !holds.some(({ claimedAt }) => claimedAt > moment + CLOCKS_MS);
}
