import { performance } from 'node:perf_hooks';
import * as timers from 'node:timers';
import * as promises from 'node:timers/promises';

/**
 * Timers and clocks as they were when the library was loaded. The fakes that a test runner puts in their place stand still or leap,
 * while the server's time goes on.
 */
export const { setTimeout, clearTimeout, setInterval, clearInterval } = timers;
export const { setTimeout: sleep, setImmediate: nextTurn } = promises;

// A fake that was there before sits on the object, and hides this one.
const { now } = Object.getPrototypeOf(performance) as typeof performance;

/** Milliseconds that only grow. They stand still while the machine is suspended. */
export const monotonic = (): number => now.call(performance);

/** This machine's idea of the time, which may be wrong and may be set: good for doubting another clock, never for a time. */
export const wallClock = Date.now;
