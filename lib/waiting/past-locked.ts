import { isSkipped, skip } from '../claim/skipped';
import type { AnyModel, WriteConcern } from '../definition/definition';
import { isTimeExpired } from '../server/transient';
import { writeConfirmed, type Bounds } from './bounded-write';

/**
 * Writes documents by their ids, past those that an open transaction has written: they are passed over for a while, so that
 * nothing else has to wait for the commit. Returns whether all were written.
 */
export async function writePastLocked(
  model: AnyModel,
  concern: WriteConcern,
  all: readonly unknown[],
  write: (ids: unknown[], bounds: Bounds) => Promise<unknown>,
): Promise<boolean> {
  const ids = all.filter((id) => !isSkipped(model, id));
  const blocked = await writeConfirmed(model, concern, ids, { write, isRefusal: isTimeExpired });
  for (const { item } of blocked) skip(model, item);

  return ids.length === all.length && blocked.length === 0;
}
