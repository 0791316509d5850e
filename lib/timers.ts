import { performance } from 'node:perf_hooks';
import * as timers from 'node:timers';
import * as promises from 'node:timers/promises';

/**
 * Timers and clocks as they were when the library was loaded. A test runner's fakes stand still or leap, while the server's time goes on.
 */
export const { setTimeout, clearTimeout, setInterval, clearInterval } = timers;
export const { setTimeout: sleep, setImmediate: nextTurn } = promises;

// From the prototype, because a fake that was installed before is on the object itself. Bun has the real one there.
const { now = performance.now } = Object.getPrototypeOf(performance) as Partial<typeof performance>;

/** Milliseconds that only grow. They stop while the machine is suspended. */
export const monotonic = (): number => now.call(performance);

/** This machine's time, which may be wrong and may be set: use it only to check another clock, never as the time of a task. */
export const wallClock = Date.now;
