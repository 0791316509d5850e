import { isPassedOver, passOver } from '../claim/blocked';
import type { AnyModel } from '../definition';
import { isTimeExpired } from '../transient';

/** How long a write waits for a document that an open transaction has written, in milliseconds. */
const MAX_WAIT_MS = 200;
/** The same for each alone, once one was met, and for all of these together. */
const PROBE_MS = 20;
const MAX_PROBING_MS = 300;

/**
 * Writes documents by their ids, past those that an open transaction has written: they are passed over for a while, so that
 * nothing else has to wait for the commit. Returns whether all were written.
 */
export async function writePastBlocked(
  model: AnyModel,
  all: readonly unknown[],
  write: (ids: unknown[], maxTimeMS: number) => Promise<unknown>,
): Promise<boolean> {
  const ids = all.filter((id) => !isPassedOver(model, id));
  if (ids.length === 0 || (await isWritten(write(ids, MAX_WAIT_MS)))) return ids.length === all.length;

  const deadline = performance.now() + MAX_PROBING_MS;
  for (const id of ids) {
    const isFree = performance.now() < deadline && (await isWritten(write([id], PROBE_MS)));
    if (!isFree) passOver(model, id);
  }
  return all.every((id) => !isPassedOver(model, id));
}

async function isWritten(writing: Promise<unknown>): Promise<boolean> {
  try {
    await writing;
    return true;
  } catch (error) {
    if (!isTimeExpired(error)) throw error;
    return false;
  }
}
