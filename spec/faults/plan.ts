import { randomFrom } from '../support/random';

/** What can be made to happen. */
export type FaultName =
  | 'kill a consumer'
  | 'kill the producer'
  | 'freeze a consumer'
  | 'kill the server'
  | 'freeze the server'
  | 'kill the primary'
  | 'kill a secondary'
  | 'step down'
  | 'freeze the secondaries'
  | 'hold back replication'
  | 'roll back by kill'
  | 'roll back by step down'
  | 'cut connections'
  | 'reset connections'
  | 'slow connections'
  | 'freeze connections';

/** How often a fault comes, and how long it lasts. */
export interface Frequency {
  readonly fault: FaultName;
  readonly everyMs: number;
  /** From and to. Default: it takes no time. */
  readonly forMs?: readonly [number, number];
}

export interface PlannedFault {
  readonly fault: FaultName;
  /** From the beginning of the round. */
  readonly atMs: number;
  readonly forMs: number;
  /** From 0 to 1: which of those it may hit. */
  readonly target: number;
}

/** The faults of one round: the same for the same seed. */
export function planRound(
  frequencies: readonly Frequency[],
  seed: number,
  round: number,
  roundMs: number,
): PlannedFault[] {
  return frequencies
    .flatMap((frequency, index) => planOne(frequency, randomFrom(seed + 7_919 * round + 104_729 * index), roundMs))
    .sort((one, other) => one.atMs - other.atMs);
}

function planOne({ fault, everyMs, forMs = [0, 0] }: Frequency, random: () => number, roundMs: number): PlannedFault[] {
  const faults: PlannedFault[] = [];
  let atMs = everyMs * random();
  while (atMs < roundMs) {
    const lastsMs = Math.round(forMs[0] + random() * (forMs[1] - forMs[0]));
    faults.push({ fault, atMs: Math.round(atMs), forMs: lastsMs, target: random() });
    // Never the next before this one is over.
    atMs += lastsMs + everyMs * (0.5 + random());
  }

  return faults;
}
