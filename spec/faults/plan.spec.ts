import { MODES } from './modes';
import { planRound } from './plan';

const ROUND_MS = 20_000;

describe('a plan of faults', () => {
  it.each(Object.entries(MODES))('of %s is the same for the same seed, and another for another', (_, { faults }) => {
    const plan = (seed: number) => planRound(faults, seed, 0, ROUND_MS);

    expect(plan(42)).toEqual(plan(42));
    expect(plan(42)).not.toEqual(plan(43));
  });

  it('differs from round to round', () => {
    const { faults } = MODES.kills;

    expect(planRound(faults, 42, 0, ROUND_MS)).not.toEqual(planRound(faults, 42, 1, ROUND_MS));
  });

  it('has them in order, within the round, as often and as long as they should be', () => {
    const fault = { fault: 'freeze a consumer', everyMs: 1_000, forMs: [200, 400] } as const;

    const plan = planRound([fault], 42, 0, 100_000);

    expect(plan.map(({ atMs }) => atMs)).toEqual(plan.map(({ atMs }) => atMs).sort((one, other) => one - other));
    expect(plan.every(({ atMs, forMs }) => atMs < 100_000 && forMs >= 200 && forMs <= 400)).toBe(true);
    expect(plan.length).toBeGreaterThan(50);
    expect(plan.length).toBeLessThan(110);
  });
});
