import type { Definition, RawDocument } from '../definition/definition';
import { State } from '../fields';
import { paused } from '../side/pause';

/** The pauses that keep a stored task in the queue from being claimed, in the form of `BlockedBy`. */
export async function explainPaused({ model, options }: Definition, stored: RawDocument) {
  const { state, category } = options.fields;
  if (stored[state] !== State.CREATED) return [];
  const own: unknown = options.category ? stored[category] : null;
  const pauses = await paused(model);

  return pauses
    .filter((one) => one.category === null || one.category === own)
    .map(({ reason }) => ({
      path: null,
      type: 'paused' as const,
      ...(reason !== null && { reason }),
      documents: [],
      cycle: null,
    }));
}
