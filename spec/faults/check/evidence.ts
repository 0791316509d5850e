import { groupBy } from '../../../lib/values/group';
import type { Event, EventName, EventOf, Intent, Outcome } from '../events';

/** A task as it is stored at the end. */
export interface FinalTask {
  readonly id: string;
  readonly state: string;
  readonly attempts: number;
  readonly fence: number;
  /** The fence of who finished it, where the handler writes that. */
  readonly doneBy: number | null;
  readonly isChanged: boolean;
}

/** A claim that reached somebody, and all that this holder knew of it. */
export interface Hold {
  readonly task: string;
  readonly fence: number;
  readonly by: string;
  readonly claimedAt: number;
  /** The end of the lease as it was known last. */
  readonly until: number;
  /** When the holder asked for its end, by itself or because it was stopped. */
  readonly lettingGoAt: number;
  readonly settling: EventOf<'settling'> | null;
  /** What it was told, in order. */
  readonly settled: readonly EventOf<'settled'>[];
}

/** An outcome of which the server keeps a trace of its own. */
export interface Effect {
  readonly task: string;
  readonly fence: number;
}

/** All there is to judge a run by. */
export interface Evidence {
  readonly events: readonly Event[];
  readonly tasks: ReadonlyMap<string, FinalTask>;
  readonly effects: readonly Effect[];
  /** By how much a delay may be too short. */
  readonly toleranceMs: number;
  /** Expired tasks are not looked for: those pushed before this time. */
  readonly expiredBefore?: number;
}

/** By how much the times of two processes of one machine may differ. */
export const CLOCKS_MS = 20;

/** What is wrong, in one line. */
export interface Finding {
  readonly subject: string;
  readonly text: string;
}

export function named<Name extends EventName>({ events }: Evidence, name: Name): EventOf<Name>[] {
  return events.filter((event): event is EventOf<Name> => event.name === name);
}

/** What the producers have said of each task. */
export function intentsOf(evidence: Evidence): Map<string, EventOf<'pushing'>> {
  return new Map(named(evidence, 'pushing').map((event) => [event.task, event]));
}

/** The tasks that end, so all but those that recur. */
export function endingIntents(evidence: Evidence): Map<string, EventOf<'pushing'>> {
  return new Map([...intentsOf(evidence)].filter(([, { recurs }]) => !recurs));
}

/** All holds of each task in the order of their claims. */
export function holdsOf(evidence: Evidence): Map<string, Hold[]> {
  const holds: Hold[] = [];
  // Several may be told of one fence, and one several times: that is for the judges to see, so each claim is a hold.
  const latest = new Map<string, number>();
  const stops = named(evidence, 'stopping');
  for (const event of evidence.events) {
    if (event.name === 'claimed') {
      latest.set(keyOf(event), holds.push(newHold(event, stops)) - 1);
    } else if (event.name === 'renewed' || event.name === 'settling' || event.name === 'settled') {
      const index = latest.get(keyOf(event));
      if (index !== undefined) holds[index] = told(holds[index]!, event);
    }
  }
  holds.sort((one, other) => one.claimedAt - other.claimedAt);

  return groupBy(holds, ({ task }) => task);
}

export function isEnd(outcome: Outcome): boolean {
  return outcome === 'finished' || outcome === 'failed';
}

export function show(intent: Intent | undefined): string {
  return intent ? JSON.stringify({ ends: intent.ends, delayMs: intent.delayMs, needs: intent.needs }) : '';
}

function told(hold: Hold, event: EventOf<'renewed' | 'settling' | 'settled'>): Hold {
  switch (event.name) {
    case 'renewed':
      return { ...hold, until: Math.max(hold.until, event.until) };
    case 'settling':
      return { ...hold, settling: event, lettingGoAt: Math.min(hold.lettingGoAt, event.at) };
    case 'settled':
      return { ...hold, settled: [...hold.settled, event], lettingGoAt: Math.min(hold.lettingGoAt, event.at) };
  }
}

function newHold(claimed: EventOf<'claimed'>, stops: readonly EventOf<'stopping'>[]): Hold {
  const { task, fence, by, claimedAt, until, at } = claimed;
  const stop = stops.find((one) => one.by === by && one.at >= at);

  return {
    task,
    fence,
    by,
    claimedAt,
    until,
    lettingGoAt: stop?.at ?? Number.POSITIVE_INFINITY,
    settling: null,
    settled: [],
  };
}

function keyOf({ task, fence, by }: { task: string; fence: number; by: string }): string {
  return `${task} ${fence} ${by}`;
}

/** The processes that the soak has killed, and when. */
export function killsOf(evidence: Evidence): Map<string, number> {
  return new Map(named(evidence, 'killed').map(({ process, at }) => [process, at]));
}
