import { explore, type Model } from './explore';

/** Counts up by one or by three, to 6 at the most. */
const counting: Model<number> = {
  start: 0,
  *steps(count) {
    for (const by of [1, 3]) if (count + by <= 6) yield [`add ${by}`, count + by];
  },
};

describe('explore', () => {
  it('counts the states that can be reached', () => {
    expect(explore(counting)).toEqual({ states: 7, violation: null });
  });

  it('takes states of equal content for one', () => {
    const turning: Model<{ hand: number }> = {
      start: { hand: 0 },
      *steps({ hand }) {
        yield ['turn', { hand: (hand + 1) % 12 }];
      },
    };

    expect(explore(turning)).toEqual({ states: 12, violation: null });
  });

  it('tells a shortest way to a state that breaks a property', () => {
    const { violation } = explore({ ...counting, broken: (count) => (count === 4 ? 'is never 4' : undefined) });

    expect(violation).toEqual({ property: 'is never 4', steps: ['add 1', 'add 3'] });
  });

  it('tells of a start and of a step that break one', () => {
    const atOnce = explore({ ...counting, broken: () => 'never holds' });
    const byStep = explore<number>({
      start: 0,
      *steps() {
        yield ['wait', 0];
        yield ['fall', 1, 'nobody falls'];
      },
    });

    expect(atOnce.violation).toEqual({ property: 'never holds', steps: [] });
    expect(byStep.violation).toEqual({ property: 'nobody falls', steps: ['fall'] });
  });
});
