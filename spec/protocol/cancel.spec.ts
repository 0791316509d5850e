import { AGAIN, cancelModel, CUT, NEXT, OUTCOME, PUT_BACK, TOLD, UNASKED } from './cancel';
import { explore } from './explore';
import { ifFull } from './size';

const ONE = { cancellers: 1, workers: 1, claims: 2, recurs: false, others: [] } as const;

describe('the protocol of cancelling', () => {
  it.each([
    { cancellers: 1, workers: 2, claims: 3, recurs: false, others: [], states: 5_429 },
    { cancellers: 1, workers: 1, claims: 3, recurs: true, others: ['schedule'], states: 1_812 },
    {
      cancellers: 1,
      workers: 1,
      claims: 3,
      recurs: true,
      others: ['push', 'byHand', 'schedule', 'park'],
      states: 16_566,
    },
    { cancellers: 2, workers: 1, claims: 2, recurs: false, others: ['push'], states: 35_475 },
    ...ifFull([
      { cancellers: 2, workers: 1, claims: 2, recurs: false, others: ['push', 'byHand', 'park'], states: 207_119 },
      { cancellers: 2, workers: 2, claims: 2, recurs: false, others: ['push', 'byHand'], states: 339_109 },
      {
        cancellers: 1,
        workers: 2,
        claims: 3,
        recurs: true,
        others: ['push', 'byHand', 'schedule', 'park'],
        states: 153_580,
      },
    ] as const),
  ] as const)(
    'has one outcome for all, with $cancellers cancellers, $workers workers, $claims claims, recurring $recurs and $others',
    ({ states, ...size }) => {
      expect(explore(cancelModel('right', size))).toEqual({ states, violation: null });
    },
  );

  it.each([
    { variant: 'renews', property: CUT, size: ONE },
    { variant: 'reruns', property: AGAIN, size: ONE },
    { variant: 'requeues', property: PUT_BACK, size: ONE },
    { variant: 'parks', property: PUT_BACK, size: { ...ONE, others: ['park'] } },
    { variant: 'overwrites', property: OUTCOME, size: ONE },
    { variant: 'byIdAlone', property: NEXT, size: { ...ONE, others: ['push'] } },
    { variant: 'tokenAlone', property: NEXT, size: { ...ONE, others: ['byHand'] } },
    { variant: 'bareToken', property: NEXT, size: { ...ONE, others: ['push'] } },
    { variant: 'asksAgain', property: NEXT, size: { ...ONE, others: ['push'] } },
    { variant: 'voidAsOpen', property: UNASKED, size: { ...ONE, others: ['byHand'] } },
    { variant: 'keepsSchedule', property: PUT_BACK, size: { ...ONE, recurs: true } },
    { variant: 'reschedules', property: PUT_BACK, size: { ...ONE, recurs: true, others: ['schedule'] } },
    { variant: 'failedOnly', property: TOLD, size: ONE },
  ] as const)('is broken by $variant: $property', ({ variant, property, size }) => {
    expect(explore(cancelModel(variant, size)).violation).toMatchObject({ property });
  });
});
