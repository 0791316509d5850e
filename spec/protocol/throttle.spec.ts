import { explore } from './explore';
import { throttleModel, WINDOW } from './throttle';

describe('the protocol of a key that stays taken', () => {
  it.each([
    { pushers: [2, 2], states: 420 },
    { pushers: [2, 1, 1], states: 896 },
  ])('has one task in a window, with pushers $pushers', ({ pushers, states }) => {
    expect(explore(throttleModel('right', { pushers }))).toEqual({ states, violation: null });
  });

  it.each([
    { variant: 'liveOnly', property: WINDOW },
    { variant: 'blindly', property: WINDOW },
  ] as const)('is broken by $variant: $property', ({ variant, property }) => {
    expect(explore(throttleModel(variant, { pushers: [2, 1] })).violation).toMatchObject({ property });
  });
});
