import { isOfDocument } from '../claim/repair';
import { isSkipped, skip } from '../claim/skipped';
import type { AnyModel, WriteConcern } from '../definition/definition';
import { type Parts, type Refused, writeInParts } from '../dependencies/chunks';
import { generationOf } from '../server/clock';
import { confirm } from '../server/confirm';
import { withPatience } from '../server/patience';
import { NoAnswerError } from '../server/time-limit';
import { isTimeExpired, isUnconfirmed, persistently } from '../server/transient';
import { isWritable } from '../values/writable';

/** How often a write is made whose primaries are replaced before they can say that the write concern is met. */
const TRIES = 5;

/** How a write is to be sent: it gives up on a locked document after `maxTimeMS`. */
export interface Bounds extends WriteConcern {
  readonly maxTimeMS: number;
}

interface BoundedParts<Item> extends Pick<Parts<Item>, 'isRefusal' | 'weigh'> {
  /** The id of the document that an item is written to. Default: the item. */
  idOf?(item: Item): unknown;
  write(items: Item[], bounds: Bounds): Promise<unknown>;
}

/**
 * Writes documents of a model's collection a part at a time, past those that refuse, and waits until the others meet the write concern. The
 * limit of a write ends that wait as well, although it was applied: then it is confirmed. Where another primary did so, what was written may
 * have been rolled back, and is written again, which must do no harm. Returns those that were not written.
 *
 * @throws the error of a lost connection where one primary after the other is replaced.
 */
export async function writeConfirmed<Item>(
  model: AnyModel,
  concern: WriteConcern,
  items: readonly Item[],
  { idOf = (item) => item, write, ...parts }: BoundedParts<Item>,
): Promise<Refused<Item>[]> {
  for (let tries = 0; tries < TRIES; tries++) {
    const generation = generationOf(model);
    let isOpen = false;
    const refused = await writeInParts(items, {
      ...parts,
      async write(some, maxTimeMS, isProbe) {
        const isMet = await hasMetConcern(() =>
          isProbe
            ? write(some, { writeConcern: { w: 1 }, maxTimeMS })
            : withPatience({ model, ids: some.map(idOf), projection: { _task: 1 } }, maxTimeMS, (ms) =>
                write(some, { ...concern, maxTimeMS: ms }),
              ),
        );
        isOpen ||= isProbe || !isMet;
      },
    });
    if (!isOpen) return refused;

    // For many writes it is waited for once.
    await confirm(model, concern);
    if (generationOf(model) === generation) return refused;
  }
  throw new NoAnswerError(`The primary was replaced ${TRIES} times before it could confirm a write.`);
}

async function hasMetConcern(write: () => Promise<unknown>): Promise<boolean> {
  try {
    await persistently(write);
    return true;
  } catch (error) {
    if (!isUnconfirmed(error)) throw error;
    return false;
  }
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
  const ids = all.filter((id) => isWritable(id) && !isSkipped(model, id));
  const isRefusal = (error: unknown) => isTimeExpired(error) || isOfDocument(error);
  const refused = await writeConfirmed(model, concern, ids, { write, isRefusal });
  for (const { item } of refused) skip(model, item);

  return ids.length === all.length && refused.length === 0;
}
