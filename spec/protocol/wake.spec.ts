import { explore } from './explore';
import { ifFull } from './size';
import { ARMED, HELD, wakeModel } from './wake';

describe('the protocol of claim, park, arm and wake', () => {
  it.each([
    { tasks: 1, writes: 2, states: 96_898 },
    { tasks: 2, writes: 2, states: 131_931 },
    ...ifFull([
      { tasks: 1, writes: 3, states: 205_446 },
      { tasks: 1, writes: 4, states: 357_367 },
      { tasks: 2, writes: 3, states: 296_080 },
    ]),
  ])(
    'loses no wake-up and touches no held task, with $tasks tasks and $writes writes by others',
    ({ states, ...size }) => {
      expect(explore(wakeModel('right', size))).toEqual({ states, violation: null });
    },
  );

  it.each([
    { variant: 'flag', property: ARMED },
    { variant: 'armfirst', property: ARMED },
    { variant: 'noarm', property: ARMED },
    { variant: 'disarmfirst', property: ARMED },
    { variant: 'blindwake', property: HELD },
    { variant: 'createdonly', property: ARMED },
  ] as const)('is broken by $variant', ({ variant, property }) => {
    const { violation } = explore(wakeModel(variant, { tasks: 1, writes: 3 }));

    expect(violation).toMatchObject({ property });
  });
});
