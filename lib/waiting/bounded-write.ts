import { isOfDocument } from '../claim/repair';
import { isSkipped, skip } from '../claim/skipped';
import type { AnyModel, WriteConcern } from '../definition/definition';
import { type Parts, type Refused, writeInParts } from '../dependencies/chunks';
import { confirm, writeBounded } from '../server/confirm';
import { isTimeExpired, persistently } from '../server/transient';

/** How a write is to be sent: it gives up on a locked document after `maxTimeMS`. */
export interface Bounds extends WriteConcern {
  readonly maxTimeMS: number;
}

interface BoundedParts<Item> extends Pick<Parts<Item>, 'isRefusal' | 'weigh'> {
  write(items: Item[], bounds: Bounds): Promise<unknown>;
}

/**
 * Writes documents of a model's collection a part at a time, past those that refuse, and waits until the others meet the write concern.
 * Returns those that were not written.
 */
export async function writeConfirmed<Item>(
  model: AnyModel,
  concern: WriteConcern,
  items: readonly Item[],
  { write, ...parts }: BoundedParts<Item>,
): Promise<Refused<Item>[]> {
  let isUnconfirmed = false;
  const refused = await writeInParts(items, {
    ...parts,
    async write(some, maxTimeMS, isProbe) {
      if (!isProbe) return writeBounded(model, concern, () => write(some, { ...concern, maxTimeMS }));
      await persistently(() => write(some, { writeConcern: { w: 1 }, maxTimeMS }));
      isUnconfirmed = true;
    },
  });
  // For many small writes it is waited for once.
  if (isUnconfirmed) await confirm(model, concern);

  return refused;
}

/**
 * Writes documents by their ids, except those that an open transaction has locked, or that the server refuses to write: they are
 * skipped for a while, so that nothing else has to wait for them. Resolves to whether all were written.
 */
export async function writePastLocked(
  model: AnyModel,
  concern: WriteConcern,
  all: readonly unknown[],
  write: (ids: unknown[], bounds: Bounds) => Promise<unknown>,
): Promise<boolean> {
  const ids = all.filter((id) => !isSkipped(model, id));
  const isRefusal = (error: unknown) => isTimeExpired(error) || isOfDocument(error);
  const refused = await writeConfirmed(model, concern, ids, { write, isRefusal });
  for (const { item } of refused) skip(model, item);

  return ids.length === all.length && refused.length === 0;
}
