import { explore } from './explore';
import { judgementModel, MET } from './judgement';
import { ifFull } from './size';

describe('the protocol of a judgement that is rolled back', () => {
  it.each([
    { elections: 2, isElsewhere: false, states: 3_972 },
    { elections: 3, isElsewhere: false, states: 27_324 },
    { elections: 1, isElsewhere: true, states: 1_407 },
    ...ifFull([{ elections: 2, isElsewhere: true, states: 26_074 }]),
  ])(
    'hands out only what a majority has as met, with $elections elections (elsewhere: $isElsewhere)',
    ({ states, ...size }) => {
      expect(explore(judgementModel('right', size))).toEqual({ states, violation: null });
    },
  );

  it.each([
    { variant: 'noSecondJudgement', isElsewhere: false },
    { variant: 'noSecondConfirmation', isElsewhere: false },
    { variant: 'sameServer', isElsewhere: false },
    { variant: 'localElsewhere', isElsewhere: true },
  ] as const)('is broken by $variant', ({ variant, isElsewhere }) => {
    const { violation } = explore(judgementModel(variant, { elections: 2, isElsewhere }));

    expect(violation).toMatchObject({ property: MET });
  });
});
