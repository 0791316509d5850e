import { setTimeout as sleep } from 'node:timers/promises';
import { randomFrom } from '../../support/random';
import type { Part } from '../handler';
import { makeWorker, stopWithin } from './worker';

/** Starts and stops one worker again and again, with little time to end what is in hand. */
export function stopsOf(seed: number): (part: Part) => Promise<void> {
  const random = randomFrom(seed);

  return async (part) => {
    const worker = makeWorker(part, { concurrency: 2 });
    while (!part.ending.aborted) {
      const start = worker.start().catch((error: unknown) => part.note({ name: 'complained', text: String(error) }));
      // Now before it has begun, now in the middle of its work.
      await sleep(random() * 80);
      await stopWithin(part, worker, Math.floor(random() * 25));
      await start;
      await sleep(random() * 40);
    }
  };
}
