import type { Filter, RawDocument } from '../definition/definition';
import { isExact, keyOf } from '../values/id';

/**
 * Yields documents part by part in the order of their `_id`s, of whatever types these are, until a part is empty. `readAfter` is given the
 * condition for those that come after the part before.
 */
export async function* inIdOrder(readAfter: (after: Filter) => Promise<RawDocument[]>): AsyncGenerator<RawDocument[]> {
  let after: Filter = {};
  let last: string | null = null;
  for (;;) {
    const part = await readAfter(after);
    if (part.length === 0) return;
    yield part;
    // Of one that cannot be sent nobody can ask what comes after it.
    const end = part.map(({ _id }) => _id as unknown).findLast(isExact);
    if (end === undefined || keyOf(end) === last) return;
    last = keyOf(end);
    // `$gt` as a condition of the path leaves out the ids of other types.
    after = { $expr: { $gt: ['$_id', { $literal: end }] } };
  }
}
