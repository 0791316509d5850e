import { ARMED, conditionsModel, PARKED } from './conditions';
import { explore } from './explore';
import { ifFull } from './size';

describe('the protocol with several conditions on one document', () => {
  it.each([
    { tasks: ['FINISHED', 'FINISHED', 'FAILED'], changes: 2, pops: 1, wakers: 1, states: 44_105 },
    { tasks: ['FINISHED', 'FAILED'], changes: 3, pops: 1, wakers: 1, states: 19_827 },
    ...ifFull([
      { tasks: ['FINISHED', 'FAILED'], changes: 4, pops: 1, wakers: 1, states: 102_137 },
      { tasks: ['FINISHED', 'FAILED'], changes: 2, pops: 2, wakers: 1, states: 155_202 },
      { tasks: ['FINISHED', 'FAILED'], changes: 2, pops: 1, wakers: 2, states: 61_827 },
    ] as const),
  ] as const)(
    'parks once for each change, with $tasks.length tasks, $changes changes, $pops pops and $wakers wakers',
    ({ states, ...size }) => {
      expect(explore(conditionsModel('right', size))).toEqual({ states, violation: null });
    },
  );

  it.each([
    { variant: 'byDocument', property: PARKED },
    { variant: 'oneMark', property: ARMED },
  ] as const)('is broken by $variant', ({ variant, property }) => {
    const size = { tasks: ['FINISHED', 'FINISHED', 'FAILED'], changes: 2, pops: 1, wakers: 1 } as const;

    expect(explore(conditionsModel(variant, size)).violation).toMatchObject({ property });
  });
});
