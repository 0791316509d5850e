/** The server's clock and this machine's may be so far apart, in milliseconds, and a time is rounded. */
const APART_MS = 1_000;

/**
 * Holds that a time lies between two readings of this machine's clock: one from before the server was asked, and one from after its
 * answer. So it holds however long the machine was busy in between.
 */
export function expectBetween(at: Date | number, from: number, to: number): void {
  const ms = Number(at);
  expect(ms).toBeGreaterThanOrEqual(from - APART_MS);
  expect(ms).toBeLessThanOrEqual(to + APART_MS);
}
