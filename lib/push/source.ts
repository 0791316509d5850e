import { nextTurn } from '../timers';

/** The outcome of a push of an async iterable. */
export interface PushedCount {
  /** How many tasks were queued. */
  pushed: number;
}

/** At most this many tasks are kept in memory. */
const PART = 500;

export function isSource(input: unknown): input is AsyncIterable<unknown> {
  return typeof input === 'object' && input !== null && Symbol.asyncIterator in input;
}

/**
 * Queues what a source yields, in parts by `pushPart`. A part is as large as what the source has at hand: where it has to wait for its next one,
 * what came before is not kept back. One more is read while a part is written. The source is ended when a part is refused.
 */
export async function pushSource(
  source: AsyncIterable<unknown>,
  pushPart: (part: readonly unknown[]) => Promise<unknown>,
): Promise<PushedCount> {
  const iterator = source[Symbol.asyncIterator]();
  let part: unknown[] = [];
  let pushed = 0;
  for (;;) {
    const next = Promise.resolve(iterator.next());
    // It may reject before it is awaited, while a part is written.
    next.catch(() => {});
    const isWritten = part.length === PART || (part.length > 0 && !(await isAtHand(next)));
    if (isWritten) {
      await pushPart(part).catch((error: unknown) => end(iterator, error));
      pushed += part.length;
      part = [];
    }
    const { done, value } = await next;
    if (done && part.length > 0) await pushPart(part);
    if (done) return { pushed: pushed + part.length };
    part.push(value);
  }
}

async function isAtHand(next: Promise<unknown>): Promise<boolean> {
  const settled = next.then(
    () => true,
    () => true,
  );

  return Promise.race([settled, nextTurn(false)]);
}

/** It is not waited for: a source that waits for its next one may end only then. */
function end(iterator: AsyncIterator<unknown>, error: unknown): never {
  void (async () => iterator.return?.())().catch(() => {});
  throw error;
}
