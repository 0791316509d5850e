import type { AnyModel, Filter } from './definition';

/** How long a document is passed over before a claim waits for it again, in milliseconds. */
const PASSED_OVER_MS = 1_000;

interface Blocked {
  id: unknown;
  until: number;
}

const blockedOf = new WeakMap<AnyModel, Map<string, Blocked>>();

/**
 * A document that an open transaction has written makes every other writer wait for the commit. Who met one remembers it here,
 * so that the next claims take what comes after it at once.
 */
export function passOver(model: AnyModel, id: unknown): void {
  const blocked = blockedOf.get(model) ?? new Map<string, Blocked>();
  blockedOf.set(model, blocked);
  blocked.set(String(id), { id, until: performance.now() + PASSED_OVER_MS });
}

/** The filter that leaves out what was found to be blocked a moment ago. */
export function notBlocked(model: AnyModel): Filter {
  const blocked = blockedOf.get(model);
  if (!blocked) return {};
  for (const [key, { until }] of blocked) if (until < performance.now()) blocked.delete(key);

  return blocked.size > 0 ? { _id: { $nin: [...blocked.values()].map(({ id }) => id) } } : {};
}
