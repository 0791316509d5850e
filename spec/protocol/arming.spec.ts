import { ARMED, armingModel, NEAR } from './arming';
import { explore } from './explore';
import { ifFull } from './size';

describe('the protocol of arming on servers that lose writes', () => {
  it.each([
    { parkers: [2], wakes: 0, elections: 1, deaths: 2, states: 6_313 },
    { parkers: [1], wakes: 1, elections: 1, deaths: 0, states: 5_502 },
    { parkers: [3], wakes: 1, elections: 0, deaths: 2, states: 22_334 },
    { parkers: [1, 1], wakes: 1, elections: 0, deaths: 1, states: 23_836 },
    ...ifFull([
      { parkers: [2, 1], wakes: 1, elections: 0, deaths: 2, states: 438_496 },
      { parkers: [2], wakes: 1, elections: 1, deaths: 2, states: 239_984 },
    ]),
  ])(
    'leaves a parked task armed or its re-check near, with parkers $parkers, $wakes wakes, $elections elections, $deaths deaths',
    ({ states, ...size }) => {
      expect(explore(armingModel('right', size))).toEqual({ states, violation: null });
    },
  );

  it.each([
    { variant: 'farAtOnce', parkers: [2], property: NEAR },
    { variant: 'farBeforeArm', parkers: [2], property: NEAR },
    { variant: 'farWhenArmed', parkers: [3], property: NEAR },
    { variant: 'farOfAnother', parkers: [2, 1], property: NEAR },
  ] as const)('is broken by $variant', ({ variant, parkers, property }) => {
    const { violation } = explore(armingModel(variant, { parkers, wakes: 1, elections: 0, deaths: 2 }));

    expect(violation).toMatchObject({ property });
  });

  it.each([
    { variant: 'armUnacknowledged', parkers: [1], elections: 1 },
    { variant: 'armOnce', parkers: [1], elections: 1 },
    { variant: 'armAgain', parkers: [1, 1], elections: 0 },
    { variant: 'armConfirmedElsewhere', parkers: [1], elections: 1 },
    { variant: 'wakeUnacknowledged', parkers: [1], elections: 1 },
    { variant: 'wakeConfirmedElsewhere', parkers: [1], elections: 1 },
  ] as const)('is broken by $variant, although nobody dies', ({ variant, ...size }) => {
    const { violation } = explore(armingModel(variant, { ...size, wakes: 1, deaths: 0 }));

    expect(violation).toMatchObject({ property: ARMED });
  });
});
