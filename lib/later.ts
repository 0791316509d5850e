import { monotonic, sleep } from './timers';
import { isOutOfReach, isTimeExpired } from './transient';

const PAUSE_MS = 1_000;

/**
 * Goes on trying in the background while the server is out of reach, or a document is locked, for as long as it makes sense. For what other
 * ways would repair as well, only later.
 */
export function tryLater(operation: () => Promise<unknown>, forMs: number): void {
  void keepTrying(operation, monotonic() + forMs);
}

async function keepTrying(operation: () => Promise<unknown>, deadline: number): Promise<void> {
  while (monotonic() < deadline) {
    try {
      await operation();
      return;
    } catch (error) {
      if (!isOutOfReach(error) && !isTimeExpired(error)) return;
    }
    await sleep(PAUSE_MS, undefined, { ref: false });
  }
}
