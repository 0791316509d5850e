import fc from '../support/property';
import { WeightedRoundRobin } from '../../lib/worker/round-robin';

const weights = fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 6 });

describe('shares of slots', () => {
  it('are given by weight over one round of all weights', () => {
    fc.assert(
      fc.property(weights, (all) => {
        const given = divide(all, sum(all));

        expect(given).toEqual(all);
      }),
    );
  });

  it('sum up to the slots while a source is open, whichever are closed', () => {
    const rounds = fc.array(fc.record({ slots: fc.nat(50), open: fc.array(fc.boolean()) }), { maxLength: 20 });
    fc.assert(
      fc.property(weights, rounds, (all, divisions) => {
        const shares = new WeightedRoundRobin(sourcesOf(all));
        for (const { slots, open: some } of divisions) {
          const open = all.map((_, index) => some[index] ?? true);

          const given = shares.divide(slots, open);

          expect(sum(given)).toBe(open.includes(true) ? slots : 0);
          given.forEach((count, index) => expect(open[index] || count === 0).toBe(true));
        }
      }),
    );
  });

  it('starve no source: between two slots of one there are never more than two rounds of the others', () => {
    fc.assert(
      fc.property(weights, (all) => {
        const shares = new WeightedRoundRobin(sourcesOf(all));
        const order = Array.from({ length: 3 * sum(all) }, () => takeOne(shares, all));

        all.forEach((weight, source) => {
          expect(longestGap(order, source)).toBeLessThanOrEqual(2 * Math.ceil(sum(all) / weight));
        });
      }),
      { numRuns: 50 },
    );
  });

  it('owe a source nothing for the time in which it had no tasks', () => {
    const shares = new WeightedRoundRobin(sourcesOf([1, 1]));
    shares.divide(100, [true, false]);

    expect(shares.divide(10, [true, true])).toEqual([5, 5]);
  });

  it('spread a heavy source instead of giving it all its slots at once', () => {
    const shares = new WeightedRoundRobin(sourcesOf([5, 1, 1]));

    const order = Array.from({ length: 7 }, () => takeOne(shares, [5, 1, 1]));

    expect(order).toEqual([0, 0, 1, 0, 2, 0, 0]);
  });
});

function divide(all: number[], slots: number): number[] {
  return new WeightedRoundRobin(sourcesOf(all)).divide(
    slots,
    all.map(() => true),
  );
}

function takeOne(shares: WeightedRoundRobin, all: number[]): number {
  return shares
    .divide(
      1,
      all.map(() => true),
    )
    .indexOf(1);
}

function longestGap(order: number[], source: number): number {
  const turns = order.flatMap((taken, turn) => (taken === source ? [turn] : []));

  return Math.max(...turns.map((turn, index) => turn - (turns[index - 1] ?? -1)));
}

function sourcesOf(all: number[]) {
  return all.map((weight) => ({ weight }));
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
