import { monotonic, sleep } from '../timers';
import { isTimeExpired, isUncertain, isWriteConflict } from './transient';

const PAUSE_MS = 1_000;
/** How long a command on a broken connection may take to reach the server, in milliseconds: after that it never will. */
export const LANDED_MS = 3_000;

/**
 * Goes on trying in the background while the server is out of reach, or a document is locked or being written by others, for as long as it
 * makes sense. For what other ways would repair as well, only later.
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
      if (![isUncertain, isTimeExpired, isWriteConflict].some((isPassing) => isPassing(error))) return;
    }
    await sleep(PAUSE_MS, undefined, { ref: false });
  }
}
