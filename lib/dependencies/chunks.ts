import { monotonic } from '../timers';

/** How much one write may cost, in documents. */
const PART = 1_000;
/** How long a write waits for a document that an open transaction has written, in milliseconds. */
const MAX_WAIT_MS = 200;
/** How long a write waits once a locked document was met, in milliseconds: many times what its documents usually take. */
const PROBE_MS = 20;
const PROBE_MS_EACH = 0.15;
/** How long all writes together may take after a locked document was met, in milliseconds. */
const MAX_PROBING_MS = 300;

export interface Parts<Item> {
  /** `isProbe`: a document was refused before, so this write should give up soon. */
  write(items: Item[], maxTimeMS: number, isProbe: boolean): Promise<unknown>;
  /** Whether the error is the fault of one document, so that the others are written without it. Any other error is thrown. */
  isRefusal(error: unknown): boolean;
  /** The cost of an item, in documents. Default: 1. */
  weigh?(item: Item): number;
}

/** An item that was not written, and its error; null if there was no time left for it. */
export interface Refused<Item> {
  readonly item: Item;
  readonly error: unknown;
}

/**
 * Writes items a part at a time. A part that is refused is halved until the refusing item is found: few writes for many items. Resolves to
 * the items that were refused, or for which there was no time left.
 */
export async function writeInParts<Item>(items: readonly Item[], parts: Parts<Item>): Promise<Refused<Item>[]> {
  const { write, isRefusal, weigh = () => 1 } = parts;
  const refused: Refused<Item>[] = [];
  const refuse = (part: Item[], error: unknown) => refused.push(...part.map((item) => ({ item, error })));
  const left = partsOf(items, weigh).reverse();
  let deadline: number | null = null;
  for (let part = left.pop(); part; part = left.pop()) {
    const probeMs = Math.ceil(PROBE_MS + PROBE_MS_EACH * weightOf(part, weigh));
    try {
      if (deadline === null) await write(part, Math.max(MAX_WAIT_MS, probeMs), false);
      else if (monotonic() > deadline) refuse(part, null);
      else await write(part, probeMs, true);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      deadline ??= monotonic() + MAX_PROBING_MS;
      const half = Math.ceil(part.length / 2);
      if (part.length === 1) refuse(part, error);
      else left.push(part.slice(half), part.slice(0, half));
    }
  }

  return refused;
}

function partsOf<Item>(items: readonly Item[], weigh: (item: Item) => number): Item[][] {
  const parts: Item[][] = [];
  let weight = PART;
  for (const item of items) {
    if (weight >= PART) {
      parts.push([]);
      weight = 0;
    }
    parts.at(-1)!.push(item);
    weight += weigh(item);
  }

  return parts;
}

function weightOf<Item>(part: readonly Item[], weigh: (item: Item) => number): number {
  return part.reduce((sum, item) => sum + weigh(item), 0);
}
