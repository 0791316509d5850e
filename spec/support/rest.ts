import { eventually } from './eventually';

/** The jitter that makes the first wait of an idle consumer, of 10 ms, one of days. */
const ENDLESS = 1e8;
const DAY_MS = 86_400_000;

/**
 * Starts consumers that find nothing, and resolves when they have begun a wait that no poll will end: what starts them now is a
 * wake-up.
 */
export async function bringToRest(count: number, start: () => unknown): Promise<void> {
  const random = jest.spyOn(Math, 'random').mockReturnValue(ENDLESS);
  const timers = jest.spyOn(globalThis, 'setTimeout');
  const resting = () => timers.mock.calls.filter(([, ms]) => ms !== undefined && ms > DAY_MS).length;
  try {
    await start();
    await eventually(() => expect(resting()).toBe(count));
  } finally {
    random.mockRestore();
    timers.mockRestore();
  }
}
