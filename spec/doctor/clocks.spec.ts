import { ofMembers, ofThisMachine, type Reading } from '../../lib/doctor/clocks';

describe('the check of clocks', () => {
  const reading = (aheadMs: number, { member = 'a:1', errorMs = 5 } = {}): Reading => ({
    member,
    isOfSet: true,
    aheadMs,
    errorMs,
  });

  it('tells how far this machine is off', () => {
    expect(ofThisMachine(reading(90_000))[0]!.text).toContain('90.0 s behind');
    expect(ofThisMachine(reading(-1_500))[0]!.text).toContain('1.5 s ahead of');
    expect(ofThisMachine(reading(900))).toEqual([]);
  });

  it('takes a slow answer for no wrong clock', () => {
    expect(ofThisMachine(reading(2_000, { errorMs: 1_500 }))).toEqual([]);
  });

  it('names each member that is off once', () => {
    const others = [
      reading(5_000, { member: 'b:1' }),
      reading(5_001, { member: 'b:1' }),
      reading(10, { member: 'c:1' }),
    ];

    expect(ofMembers(reading(0), others)).toEqual([
      expect.objectContaining({
        text: expect.stringContaining('b:1 is 5.0 s ahead of the primary'),
        severity: 'error',
      }),
    ]);
  });
});
