import { monotonic, sleep } from '../timers';
import { isOutOfReach, isTimeExpired, isUnconfirmed } from './transient';

const PAUSE_MS = 1_000;
/** After so long what was sent by a connection that broke has reached the server, or never will, in milliseconds. */
export const LANDED_MS = 3_000;

/**
 * Goes on trying in the background while the server is out of reach, or a document is locked, for as long as it makes sense. For what other
 * ways would repair as well, only later.
 */
export function tryLater(operation: () => Promise<unknown>, forMs: number, afterMs = 0): void {
  void keepTrying(operation, forMs, afterMs);
}

async function keepTrying(operation: () => Promise<unknown>, forMs: number, afterMs: number): Promise<void> {
  const deadline = monotonic() + forMs;
  if (afterMs > 0) await sleep(afterMs, undefined, { ref: false });
  while (monotonic() < deadline) {
    try {
      await operation();
      return;
    } catch (error) {
      if (![isOutOfReach, isTimeExpired, isUnconfirmed].some((isPassing) => isPassing(error))) return;
    }
    await sleep(PAUSE_MS, undefined, { ref: false });
  }
}
