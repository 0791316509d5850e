import { isPassedOver, passOver } from '../claim/blocked';
import { confirm, writeBounded } from '../confirm';
import type { AnyModel, WriteConcern } from '../definition';
import { monotonic } from '../timers';
import { isTimeExpired, persistently } from '../transient';

/** How long a write waits for a document that an open transaction has written, in milliseconds. */
const MAX_WAIT_MS = 200;
/** The same for each alone, once one was met, and for all of these together. */
const PROBE_MS = 20;
const MAX_PROBING_MS = 300;

/** How a write is to be sent: it gives up on a locked document after `maxTimeMS`. */
export interface Bounds extends WriteConcern {
  readonly maxTimeMS: number;
}

/**
 * Writes documents by their ids, past those that an open transaction has written: they are passed over for a while, so that
 * nothing else has to wait for the commit. Returns whether all were written.
 */
export async function writePastBlocked(
  model: AnyModel,
  concern: WriteConcern,
  all: readonly unknown[],
  write: (ids: unknown[], bounds: Bounds) => Promise<unknown>,
): Promise<boolean> {
  const ids = all.filter((id) => !isPassedOver(model, id));
  const writeAll = () => write(ids, { ...concern, maxTimeMS: MAX_WAIT_MS });
  if (ids.length === 0 || (await isWritten(writeBounded(model, concern, writeAll)))) return ids.length === all.length;

  const deadline = monotonic() + MAX_PROBING_MS;
  for (const id of ids) {
    const writeOne = () => write([id], { writeConcern: { w: 1 }, maxTimeMS: PROBE_MS });
    const isFree = monotonic() < deadline && (await isWritten(persistently(writeOne)));
    if (!isFree) passOver(model, id);
  }
  // Their write concern is waited for once.
  await confirm(model, concern);
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
