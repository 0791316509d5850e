import type { Part } from '../handler';
import { runPop, runPopMany } from './by-hand';
import { runQueue } from './queue';
import { stopsOf } from './stops';
import { runWorker } from './worker';

/** The ways in which a consumer takes tasks. */
export const ROLES = ['worker', 'queue', 'pop', 'popMany', 'stops'] as const;
export type Role = (typeof ROLES)[number];

export function run(role: Role, part: Part, seed: number): Promise<void> {
  switch (role) {
    case 'worker':
      return runWorker(part);
    case 'queue':
      return runQueue(part);
    case 'pop':
      return runPop(part);
    case 'popMany':
      return runPopMany(part);
    case 'stops':
      return stopsOf(seed)(part);
  }
}
