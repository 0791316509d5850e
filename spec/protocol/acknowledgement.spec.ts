import { acknowledgementModel, FENCE, LEFT, ROLLED_BACK } from './acknowledgement';
import { explore } from './explore';
import { ifFull } from './size';

describe('the protocol of a claim whose acknowledgement does not come', () => {
  it.each([
    { variant: 'right', claimers: 1, elections: 2, lateClaims: true, states: 4_484 },
    { variant: 'right', claimers: 2, elections: 1, lateClaims: true, states: 130_355 },
    { variant: 'confirmThenRead', claimers: 1, elections: 2, lateClaims: true, states: 4_688 },
    ...ifFull([
      { variant: 'right', claimers: 1, elections: 3, lateClaims: true, states: 19_992 },
      { variant: 'right', claimers: 2, elections: 2, lateClaims: false, states: 1_030_770 },
      { variant: 'confirmThenRead', claimers: 2, elections: 1, lateClaims: true, states: 142_333 },
    ] as const),
  ] as const)(
    'hands out what a majority has and leaves nothing behind ($variant), with $claimers claimers and $elections elections',
    ({ variant, states, ...size }) => {
      expect(explore(acknowledgementModel(variant, size))).toEqual({ states, violation: null });
    },
  );

  it.each([
    { variant: 'localRead', property: ROLLED_BACK },
    { variant: 'localRead', property: FENCE },
    { variant: 'batch', property: ROLLED_BACK },
    { variant: 'batch', property: FENCE },
    { variant: 'locked', property: LEFT },
    { variant: 'localNo', property: LEFT },
    { variant: 'returnsOnce', property: LEFT },
    { variant: 'tooEarly', property: LEFT },
    { variant: 'tooEarlyThenRead', property: ROLLED_BACK },
  ] as const)('is broken by $variant: $property', ({ variant, property }) => {
    const lateClaims = variant === 'tooEarly' || variant === 'tooEarlyThenRead';
    const size = { elections: 2, lateClaims, properties: [property] };

    expect(explore(acknowledgementModel(variant, size)).violation).toMatchObject({ property });
  });
});
