import fc from './support/property';
import { InvalidOptionError, Priority } from '../lib';
import { isPriority, wrongPriority } from '../lib/fields';

describe('isPriority', () => {
  it('holds for whole numbers from -100 to 100, and for nothing else', () => {
    fc.assert(
      fc.property(fc.oneof(fc.integer({ min: -300, max: 300 }), fc.double(), fc.anything()), (value) => {
        const expected = typeof value === 'number' && value % 1 === 0 && value >= -100 && value <= 100;

        expect(isPriority(value)).toBe(expected);
      }),
    );
  });

  it.each([-100, -1, 0, 100, ...Object.values(Priority)])('holds for %p', (value) => {
    expect(isPriority(value)).toBe(true);
  });

  it.each([-101, 101, 0.5, Number.NaN, Infinity, '2', 2n, null, undefined, [2], new Number(2)])(
    'does not hold for %p',
    (value) => {
      expect(isPriority(value)).toBe(false);
    },
  );
});

describe('wrongPriority', () => {
  it('names the path as the model does', () => {
    expect(wrongPriority('urgency', 500)).toEqual(
      new InvalidOptionError(
        'Expected `urgency` to be a whole number from -100 to 100, got `500` (number). Write for example `urgency: Priority.HIGH`.',
      ),
    );
  });
});
