import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Repeats an assertion until it holds and returns its result. When the time is up, its last error is thrown: long after, so that a machine
 * that is busy with other things breaks no spec.
 */
export async function eventually<T>(assertion: () => T | Promise<T>, { timeoutMs = 120_000 } = {}): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (let waitMs = 2; ; waitMs = Math.min(waitMs * 2, 100)) {
    try {
      return await assertion();
    } catch (error) {
      if (performance.now() >= deadline) throw error;
    }
    await sleep(waitMs);
  }
}
