import * as promises from 'node:timers/promises';

/**
 * The timers of the library, found anew at each call: for specs that watch them, or let time pass without a server.
 * `jest.mock('../lib/timers', () => jest.requireActual('./support/fakeable-timers'))`
 */
export const setTimeout = (listener: () => void, ms?: number) => globalThis.setTimeout(listener, ms);
export const clearTimeout = (timer?: NodeJS.Timeout) => globalThis.clearTimeout(timer);
export const setInterval = (listener: () => void, ms?: number) => globalThis.setInterval(listener, ms);
export const clearInterval = (timer?: NodeJS.Timeout) => globalThis.clearInterval(timer);
export const sleep = promises.setTimeout;
export const nextTurn = promises.setImmediate;
export const monotonic = (): number => performance.now();
export const wallClock = (): number => Date.now();
