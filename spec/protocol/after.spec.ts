import { afterModel, BESIDE, LOST, ORDER, RECURS, WAITS } from './after';
import { explore } from './explore';
import { ifFull } from './size';

const ALONE = { modes: ['after'], workers: 1, claims: 2, deaths: 0 } as const;
const APART = { modes: ['supersede'], workers: 2, claims: 3, deaths: 0, isApart: true } as const;
const TWO = { modes: ['after', 'after'], workers: 1, claims: 3, deaths: 0 } as const;

describe('the protocol of tasks of one key', () => {
  it.each([
    { modes: ['after', 'after'], workers: 1, claims: 3, deaths: 1, recurs: false, states: 14_944 },
    { modes: ['after', 'after'], workers: 2, claims: 3, deaths: 0, recurs: false, states: 38_373 },
    { modes: ['after', 'keep'], workers: 2, claims: 3, deaths: 1, recurs: false, states: 18_082 },
    { modes: ['after', 'supersede'], workers: 1, claims: 3, deaths: 1, recurs: false, states: 34_450 },
    { modes: ['after'], workers: 1, claims: 3, deaths: 1, recurs: true, states: 1_594 },
    { ...APART, recurs: false, states: 8_329 },
    { ...APART, modes: ['keep', 'after'], deaths: 1, recurs: false, states: 71_979 },
    ...ifFull([
      { modes: ['after', 'after'], workers: 1, claims: 4, deaths: 1, recurs: true, states: 87_983 },
      { modes: ['supersede', 'supersede'], workers: 2, claims: 3, deaths: 1, recurs: false, states: 551_340 },
      { ...APART, modes: ['supersede', 'after'], recurs: false, states: 267_107 },
      { ...APART, modes: ['supersede', 'supersede'], recurs: false, states: 505_722 },
    ] as const),
  ] as const)(
    'runs one at a time, and what was said last, with $modes, $workers workers, $claims claims, $deaths deaths, recurring $recurs',
    ({ states, ...size }) => {
      expect(explore(afterModel('right', size))).toEqual({ states, violation: null });
    },
  );

  it.each([
    { variant: 'replaceBlind', property: LOST, size: ALONE },
    { variant: 'staleInput', property: LOST, size: TWO },
    { variant: 'keepFront', property: BESIDE, size: { ...TWO, modes: ['after', 'keep'], workers: 2 } },
    { variant: 'insertStale', property: BESIDE, size: { ...TWO, claims: 4, deaths: 1, recurs: true } },
    { variant: 'insertFree', property: BESIDE, size: { ...ALONE, workers: 2 } },
    { variant: 'endsFirst', property: LOST, size: { ...ALONE, modes: ['supersede'], deaths: 1 } },
    { variant: 'releaseAny', property: BESIDE, size: { ...TWO, workers: 2 } },
    { variant: 'noLook', property: BESIDE, size: { ...ALONE, workers: 2 } },
    { variant: 'noLook', property: ORDER, size: { ...TWO, modes: ['after'] } },
    { variant: 'unplaced', property: WAITS, size: APART },
    { variant: 'unscheduled', property: RECURS, size: { ...ALONE, deaths: 1, recurs: true } },
  ] as const)('is broken by $variant: $property', ({ variant, property, size }) => {
    expect(explore(afterModel(variant, size)).violation).toMatchObject({ property });
  });
});
