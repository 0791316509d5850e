import type { Step } from './explore';

/**
 * A replica set as its clients see it: the log of its primary, and how much of it a majority has. The log of a standalone server that is
 * killed is the same with what its journal has. An election takes any log that holds what a majority has; the primary that was deposed
 * may not know it yet, answers and writes on, and may come back with its log unless a majority has something newer.
 */
export interface ReplicaSet {
  readonly term: number;
  readonly log: readonly string[];
  /** So many writes of the log a majority has. */
  readonly committed: number;
  readonly deposed: Deposed | null;
  /** Elections that are left. */
  readonly elections: number;
}

interface Deposed {
  readonly term: number;
  readonly log: readonly string[];
  /** How many writes it shares with the log of the primary. */
  readonly shared: number;
  /** Whether it still takes itself for the primary. */
  readonly serves: boolean;
}

export function replicaSet(elections: number): ReplicaSet {
  return { term: 1, log: [], committed: 0, deposed: null, elections };
}

/** The terms of the servers that take themselves for the primary, as far as a client uses them: it never turns to an older one. */
export function primariesSince({ term, deposed }: ReplicaSet, seen: number): number[] {
  return deposed?.serves && deposed.term >= seen ? [deposed.term, term] : [term];
}

/** The log of the server that was elected in a term, null if it is the primary no more and knows it. */
export function logOf({ term, log, deposed }: ReplicaSet, of: number): readonly string[] | null {
  if (of === term) return log;

  return deposed?.serves && deposed.term === of ? deposed.log : null;
}

export function written(set: ReplicaSet, term: number, entry: string): ReplicaSet {
  if (term === set.term) return { ...set, log: [...set.log, entry] };

  return { ...set, deposed: { ...set.deposed!, log: [...set.deposed!.log, entry] } };
}

/** Whether the server of a term can say that a majority has its first `position` writes. */
export function isAcknowledged({ term, committed, deposed }: ReplicaSet, of: number, position: number): boolean {
  if (position > committed) return false;

  return of === term || (deposed !== null && deposed.serves && deposed.term === of && position <= deposed.shared);
}

/** What happens to the servers: replication, elections, step-downs and rollbacks. */
export function* serverSteps(set: ReplicaSet): Iterable<Step<ReplicaSet>> {
  const { log, committed, deposed, elections } = set;
  // What a majority has of the log was once all of it: the acknowledgement need not have come by then.
  if (committed < log.length) yield [`a majority has all ${log.length} writes`, { ...set, committed: log.length }];
  if (deposed?.serves) yield [`primary ${deposed.term} steps down`, { ...set, deposed: { ...deposed, serves: false } }];
  if (deposed) yield [`primary ${deposed.term} rolls back`, { ...set, deposed: null }];
  if (elections === 0) return;

  for (let shared = committed; shared <= log.length; shared++)
    yield [`another is elected with ${shared} of ${log.length} writes`, elected(set, log.slice(0, shared), shared)];
  // It has won over the majority before anything of its successor's had come there.
  if (deposed && committed <= deposed.shared)
    yield [`primary ${deposed.term} is elected again`, elected(set, deposed.log, deposed.shared)];
}

// A new primary begins with a write of its own, so that what its followers have of it tells that they follow it.
function elected(set: ReplicaSet, log: readonly string[], shared: number): ReplicaSet {
  const { term, elections } = set;

  return {
    ...set,
    term: term + 1,
    log: [...log, `elected ${term + 1}`],
    deposed: { term, log: set.log, shared, serves: true },
    elections: elections - 1,
  };
}
