import { performance } from 'node:perf_hooks';
import * as promises from 'node:timers/promises';

describe('the timers of the library', () => {
  afterEach(() => {
    jest.restoreAllMocks();
    jest.useRealTimers();
  });

  const load = () => {
    let loaded: typeof import('../lib/timers') | undefined;
    jest.isolateModules(() => (loaded = jest.requireActual('../lib/timers')));
    return loaded!;
  };

  it('are not those that a test puts in their place later', async () => {
    const { sleep, setTimeout, monotonic, wallClock } = load();
    jest.spyOn(promises, 'setTimeout').mockImplementation(() => new Promise(() => {}));
    jest.spyOn(performance, 'now').mockReturnValue(0);
    jest.useFakeTimers({ now: 0 });

    await sleep(1);
    await new Promise<void>((resolve) => setTimeout(resolve, 1));

    expect(monotonic()).toBeGreaterThan(0);
    expect(wallClock()).toBeGreaterThan(1_700_000_000_000);
  });

  it('go on also when they are loaded under fakes', async () => {
    jest.useFakeTimers({ now: 0 });
    jest.spyOn(performance, 'now').mockReturnValue(0);
    const { setTimeout, monotonic } = load();

    await new Promise<void>((resolve) => setTimeout(resolve, 1));

    expect(monotonic()).toBeGreaterThan(0);
  });

  it('are found where a runtime, as Bun does, has `now()` on the object and not on its prototype', () => {
    const now = jest.fn(() => 42);
    jest.doMock('node:perf_hooks', () => ({ performance: { now } }));

    expect(load().monotonic()).toBe(42);

    jest.dontMock('node:perf_hooks');
  });
});
