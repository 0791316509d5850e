import fc from '../support/property';
import {
  refuseUnknown,
  requireBoolean,
  requireFunction,
  requireInteger,
  requireObject,
  requireText,
  shown,
  wrongValue,
} from '../../lib/values/check';
import { InvalidOptionError } from '../../lib';

describe('refuseUnknown', () => {
  const KNOWN = ['leaseMs', 'maxAttempts', 'backoff', 'category'];

  it('lets known keys pass, in any number', () => {
    fc.assert(
      fc.property(fc.subarray(KNOWN), (keys) => {
        expect(() =>
          refuseUnknown(Object.fromEntries(keys.map((key) => [key, 1])), KNOWN, 'taskQueue()'),
        ).not.toThrow();
      }),
    );
  });

  it.each([
    ['leasems', 'leaseMs'],
    ['lease', 'leaseMs'],
    ['maxAttempt', 'maxAttempts'],
    ['max_attempts', 'maxAttempts'],
    ['backof', 'backoff'],
    ['Category', 'category'],
  ])('suggests for `%s` the name that was meant, `%s`', (given, meant) => {
    expect(() => refuseUnknown({ [given]: 1 }, KNOWN, 'taskQueue()')).toThrow(
      new InvalidOptionError(
        `Unknown option \`${given}\` of taskQueue(). Did you mean \`${meant}\`? Known are: leaseMs, maxAttempts, backoff, category.`,
      ),
    );
  });

  it('suggests nothing when no name is near, and lists them all', () => {
    expect(() => refuseUnknown({ visibility: 1 }, KNOWN, 'taskQueue()')).toThrow(
      new InvalidOptionError(
        'Unknown option `visibility` of taskQueue(). Known are: leaseMs, maxAttempts, backoff, category.',
      ),
    );
  });

  it('suggests the name of which one letter is wrong, whichever that is', () => {
    const misspelt = fc
      .tuple(fc.constantFrom(...KNOWN), fc.nat(), fc.constantFrom('#', ''))
      .map(([name, at, instead]) => ({
        name,
        typed: name.slice(0, at % name.length) + instead + name.slice((at % name.length) + 1),
      }));

    fc.assert(
      fc.property(misspelt, ({ name, typed }) => {
        expect(() => refuseUnknown({ [typed]: 1 }, KNOWN, 'pop()')).toThrow(`Did you mean \`${name}\`?`);
      }),
    );
  });

  it.each([null, undefined, 5, 'high', true, [], () => {}])('refuses %p in the place of the options', (options) => {
    expect(() => refuseUnknown(options, KNOWN, 'pop()')).toThrow(
      new InvalidOptionError(
        `Expected the options of pop() to be an object, got ${shown(options)}. Known are: leaseMs, maxAttempts, backoff, category.`,
      ),
    );
  });
});

describe('requireInteger', () => {
  const check = (value: unknown, min: number, max: number) => () =>
    requireInteger('limit', value, min, max, 'tasks', '`popMany(100)`');

  it('lets whole numbers of the range pass, its ends included, and no other', () => {
    const range = fc.tuple(fc.integer(), fc.integer()).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);

    fc.assert(
      fc.property(range, fc.integer(), ([min, max], value) => {
        for (const allowed of [min, max]) expect(check(allowed, min, max)).not.toThrow();
        if (value >= min && value <= max) expect(check(value, min, max)).not.toThrow();
        else expect(check(value, min, max)).toThrow(InvalidOptionError);
      }),
    );
  });

  it('lets nothing pass that is no whole number', () => {
    const others = fc.anything().filter((value) => !Number.isInteger(value));

    fc.assert(
      fc.property(others, (value) => {
        expect(check(value, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY)).toThrow(InvalidOptionError);
      }),
    );
  });

  it('says what it expected, what it found and what to write', () => {
    expect(check('5', 1, 1_000)).toThrow(
      new InvalidOptionError(
        'Expected `limit` to be a whole number of tasks from 1 to 1000, got "5" (string). Write for example `popMany(100)`.',
      ),
    );
  });

  it('leaves the unit out of the message when there is none', () => {
    expect(() => requireInteger('maxAttempts', 0, 1, 9, '', '`maxAttempts: 3`')).toThrow(
      'Expected `maxAttempts` to be a whole number from 1 to 9, got `0` (number).',
    );
  });
});

describe('the other checks', () => {
  const checks = {
    requireBoolean: {
      run: (value: unknown) => requireBoolean('bind', value),
      right: [true, false],
      wrong: [null, undefined, 0, 'true', {}],
    },
    requireText: {
      run: (value: unknown) => requireText('key', value, "`key: 'a'`"),
      right: ['a', ' '],
      wrong: [null, undefined, '', 5, ['a'], new String('a')],
    },
    requireFunction: {
      run: (value: unknown) => requireFunction('backoff', value, '`backoff: constant(5)`'),
      right: [() => 1, Math.max, class {}],
      wrong: [null, undefined, 5, 'exponential', {}],
    },
    requireObject: {
      run: (value: unknown) => requireObject('fields', value, '`fields: {}`'),
      right: [{}, Object.create(null) as object, new Map()],
      wrong: [null, undefined, 5, 'state', [], () => {}],
    },
  };

  describe.each(Object.entries(checks))('%s', (_, { run, right, wrong }) => {
    it.each(right.map((value) => [value]))('lets %p pass', (value) => {
      expect(() => run(value)).not.toThrow();
    });

    it.each(wrong.map((value) => [value]))('refuses %p', (value) => {
      expect(() => run(value)).toThrow(InvalidOptionError);
    });
  });
});

describe('shown', () => {
  it.each([
    [null, '`null`'],
    [undefined, '`undefined`'],
    [5, '`5` (number)'],
    [Number.NaN, '`NaN` (number)'],
    [10n, '`10` (bigint)'],
    [true, '`true` (boolean)'],
    [Symbol('a'), '`Symbol(a)` (symbol)'],
    ['5', '"5" (string)'],
    ['', '"" (string)'],
    [[1, 2], 'an array of 2'],
    [{}, 'an object (Object)'],
    [new Set(), 'an object (Set)'],
    [Object.create(null), 'an object (no prototype)'],
    [Math.max, 'the function `max`'],
    [new Date(Number.NaN), 'Invalid Date (Date)'],
  ])('shows %p as %s', (value, text) => {
    expect(shown(value)).toBe(text);
  });

  it('finds words for any value, and few of them', () => {
    const values = fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true, withMap: true });

    fc.assert(
      fc.property(values, (value) => {
        expect(shown(value).length).toBeGreaterThan(0);
        if (typeof value === 'object') expect(shown(value).length).toBeLessThan(100);
      }),
    );
  });

  it('cuts a long text', () => {
    expect(shown('x'.repeat(10_000)).length).toBeLessThan(200);
  });
});

describe('wrongValue', () => {
  it('puts expectation, value and advice into one InvalidOptionError', () => {
    const error = wrongValue('runAt', 'a valid Date', 'tomorrow', '`runAt: new Date()`');

    expect(error).toBeInstanceOf(InvalidOptionError);
    expect(error.message).toBe(
      'Expected `runAt` to be a valid Date, got "tomorrow" (string). Write for example `runAt: new Date()`.',
    );
  });
});
