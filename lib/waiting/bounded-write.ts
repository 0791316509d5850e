import { confirm, writeBounded } from '../server/confirm';
import type { AnyModel, WriteConcern } from '../definition/definition';
import { persistently } from '../server/transient';
import { writeInParts, type Parts, type Refused } from '../dependencies/in-parts';

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
