import type { Frequency } from './plan';
import type { Role } from './roles';

export interface Mode {
  readonly about: string;
  readonly servers: 'standalone' | 'set of one' | 'set of three';
  /** Whether programs reach the server through proxies that can fail. */
  readonly isProxied?: boolean;
  /** The parts of each consumer. */
  readonly consumers: readonly (readonly Role[])[];
  /** How far the clock of each consumer is off, and last of the producer. */
  readonly shiftsMs?: readonly number[];
  readonly faults: readonly Frequency[];
  /** Default: three seconds. */
  readonly leaseMs?: number;
  /**
   * How soon a task that waits is looked at although nothing told of its dependency. Short only where processes are killed: between
   * two writes that may leave it to nothing else.
   */
  readonly recheckMs: number;
  /** By how much a delay may be too short: the server's clock is read with the delay of an answer. */
  readonly toleranceMs?: number;
}

const LEASE_MS = 3_000;
const NEVER_MS = 3_600_000;
const SOON_MS = 2_000;
const TEN_MINUTES_MS = 600_000;
const MIXED: readonly (readonly Role[])[] = [
  ['worker', 'pop'],
  ['queue', 'popMany'],
  ['worker', 'stops'],
];

export const MODES = {
  kills: {
    about: 'workers and producers are killed, and frozen for longer than their leases',
    servers: 'set of one',
    consumers: MIXED,
    faults: [
      { fault: 'kill a consumer', everyMs: 2_500 },
      { fault: 'kill the producer', everyMs: 5_000 },
      { fault: 'freeze a consumer', everyMs: 9_000, forMs: [500, 4_500] },
    ],
    recheckMs: SOON_MS,
  },
  'standalone-kill': {
    about: 'a server that stands alone is killed and started again; writes wait for its journal',
    servers: 'standalone',
    consumers: MIXED,
    faults: [{ fault: 'kill the server', everyMs: 5_000, forMs: [200, 2_500] }],
    recheckMs: NEVER_MS,
  },
  'set-faults': {
    about: 'members of a replica set of three are killed and frozen, and step down',
    servers: 'set of three',
    consumers: [
      ['worker', 'popMany'],
      ['queue', 'pop', 'stops'],
    ],
    faults: [
      { fault: 'step down', everyMs: 9_000 },
      { fault: 'kill the primary', everyMs: 14_000, forMs: [1_000, 4_000] },
      { fault: 'kill a secondary', everyMs: 16_000, forMs: [500, 3_000] },
      { fault: 'freeze the server', everyMs: 16_000, forMs: [500, 6_000] },
    ],
    recheckMs: NEVER_MS,
  },
  'set-lag': {
    about: 'the secondaries of a replica set of three fall behind, by some hundred milliseconds and by seconds',
    servers: 'set of three',
    consumers: [
      ['worker', 'pop'],
      ['queue', 'popMany'],
    ],
    faults: [
      { fault: 'freeze the secondaries', everyMs: 500, forMs: [300, 900] },
      { fault: 'hold back replication', everyMs: 8_000, forMs: [1_500, 4_000] },
    ],
    recheckMs: NEVER_MS,
  },
  'set-rollback': {
    about: 'a primary that nobody follows goes on, until it is killed or steps down: what only it had is rolled back',
    servers: 'set of three',
    consumers: [
      ['worker', 'popMany'],
      ['queue', 'pop'],
    ],
    faults: [
      { fault: 'roll back by kill', everyMs: 9_000, forMs: [1_000, 3_000] },
      { fault: 'roll back by step down', everyMs: 11_000, forMs: [1_000, 3_000] },
    ],
    // Longer than it takes to elect another primary: what the one before handed out must not be handed out by this one.
    leaseMs: 8_000,
    recheckMs: NEVER_MS,
  },
  connections: {
    about: 'connections are cut, reset, slow and frozen',
    servers: 'set of one',
    isProxied: true,
    consumers: MIXED,
    faults: [
      { fault: 'cut connections', everyMs: 2_500 },
      { fault: 'reset connections', everyMs: 2_500 },
      { fault: 'slow connections', everyMs: 7_000, forMs: [1_000, 3_000] },
      { fault: 'freeze connections', everyMs: 7_000, forMs: [500, 6_000] },
    ],
    recheckMs: NEVER_MS,
    toleranceMs: 7_000,
  },
  clocks: {
    about: 'the clocks of the processes are ten minutes off, each in another way',
    servers: 'set of one',
    consumers: MIXED,
    shiftsMs: [TEN_MINUTES_MS, -TEN_MINUTES_MS, 0, -TEN_MINUTES_MS],
    faults: [
      { fault: 'kill a consumer', everyMs: 6_000 },
      { fault: 'kill the producer', everyMs: 8_000 },
    ],
    recheckMs: SOON_MS,
  },
  stops: {
    about: 'workers are started and stopped all the time, also while the server is down or frozen',
    servers: 'standalone',
    consumers: [['stops'], ['stops', 'worker'], ['queue', 'stops']],
    faults: [
      { fault: 'kill the server', everyMs: 12_000, forMs: [500, 3_000] },
      { fault: 'freeze the server', everyMs: 12_000, forMs: [500, 4_000] },
    ],
    recheckMs: NEVER_MS,
  },
} satisfies Record<string, Mode>;

export type ModeName = keyof typeof MODES;

export function modeOf(name: ModeName): Mode {
  return MODES[name];
}

export function leaseOf({ leaseMs = LEASE_MS }: Mode): number {
  return leaseMs;
}

export function isMode(name: string): name is ModeName {
  return Object.hasOwn(MODES, name);
}
