import type { AnyModel, Filter } from '../definition/definition';
import { monotonic } from '../timers';
import { keyOf } from '../values/id';
import { isWritable } from '../values/writable';

/** How long a claim waits for a document that an open transaction has written, in milliseconds. */
export const MAX_WAIT_MS = 200;
/** How long a claim waits for each document after a locked one, in milliseconds. */
export const PROBE_MS = 50;
/** How long a document is passed over before a claim waits for it again, in milliseconds. */
const PASSED_OVER_MS = 1_000;
/** At most this many skipped documents are tried again at once: a transaction may have locked more than a claim has time for. */
const TRIED_AGAIN = 10;

interface Blocked {
  readonly entries: Map<string, { id: unknown; until: number }>;
  /** When a locked document was met last. */
  metAt: number;
  /** When skipped documents were last let go, to be tried again. */
  triedAt: number;
}

const blockedOf = new WeakMap<AnyModel, Blocked>();

/**
 * Remembers a locked document, so that the next claims take the tasks after it at once: a document that an open transaction has written
 * makes every other writer wait for the commit.
 */
export function skip(model: AnyModel, id: unknown): void {
  if (!isWritable(id)) return;
  const now = monotonic();
  const blocked = blockedOf.get(model) ?? { entries: new Map(), metAt: now, triedAt: now };
  blockedOf.set(model, blocked);
  blocked.metAt = now;
  blocked.entries.delete(keyOf(id));
  blocked.entries.set(keyOf(id), { id, until: now + PASSED_OVER_MS });
}

/** The filter that leaves out documents that were found locked a moment ago. */
export function notSkipped(model: AnyModel): Filter {
  const blocked = blockedOf.get(model);
  if (!blocked) return {};
  letGo(blocked, monotonic());

  return blocked.entries.size > 0 ? { _id: { $nin: [...blocked.entries.values()].map(({ id }) => id) } } : {};
}

/** Whether a document was found locked a moment ago. */
export function isSkipped(model: AnyModel, id: unknown): boolean {
  const blocked = blockedOf.get(model);
  if (!blocked) return false;
  letGo(blocked, monotonic());

  return blocked.entries.has(keyOf(id));
}

// Lets a few documents go as a sample. If none of them is found locked again, the transaction is over, and all are let go.
function letGo(blocked: Blocked, now: number): void {
  const { entries, metAt, triedAt } = blocked;
  if (now - triedAt <= PASSED_OVER_MS) return;
  const expired = [...entries].filter(([, { until }]) => until < now);
  if (expired.length === 0) return;

  for (const [key] of metAt >= triedAt ? expired.slice(0, TRIED_AGAIN) : expired) entries.delete(key);
  blocked.triedAt = now;
}
