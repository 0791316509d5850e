import { describe as describeThrown, lineOf, sentenceOf } from '../../lib/values/describe';
import { hostile } from '../support/hostile';

describe('what is kept of something that was thrown', () => {
  it('is the message and the stack of an error', () => {
    const error = new TypeError('no such mailbox');

    expect(describeThrown(error)).toEqual({ message: 'no such mailbox', stack: error.stack });
  });

  it('is the message of an object like an error, and its name', () => {
    expect(describeThrown({ name: 'ApiError', message: 'Unauthorized', code: 5 })).toEqual({
      message: 'Unauthorized',
      stack: 'ApiError: Unauthorized',
    });
  });

  it.each([
    ['an object with headers', { message: 'Unauthorized', config: { headers: { authorization: 'SECRET' } } }],
    ['an error with headers', Object.assign(new Error('Unauthorized'), { headers: { authorization: 'SECRET' } })],
    ['a map', new Map([['authorization', 'SECRET']])],
    ['an array', [{ authorization: 'SECRET' }]],
    ['a function', Object.assign(() => 'SECRET', { message: { authorization: 'SECRET' } })],
    [
      'a cause with headers',
      new Error('Unauthorized', { cause: Object.assign(new Error('a'), { password: 'SECRET' }) }),
    ],
    ['a cause that is no error', new Error('Unauthorized', { cause: 'SECRET' })],
  ])('is nothing else that hangs on %s', (_, thrown) => {
    expect(JSON.stringify(describeThrown(thrown))).not.toContain('SECRET');
  });

  it('are names and messages of its causes, of no more than three', () => {
    let error = new Error('1');
    for (const number of ['2', '3', '4', '5', '6']) error = new RangeError(number, { cause: error });
    error.stack = 'RangeError: 6';

    expect(describeThrown(error).stack).toBe(
      ['RangeError: 6', ...['5', '4', '3'].map((number) => `Caused by RangeError: ${number}`)].join('\n'),
    );
  });

  it('ends where an error is its own cause', () => {
    const error: Error & { cause?: unknown } = new Error('a');
    error.cause = error;

    expect(describeThrown(error).stack!.match(/Caused by/g)).toHaveLength(3);
  });

  it('is bounded', () => {
    const error = new Error('m'.repeat(100_000), { cause: new Error('c'.repeat(100_000)) });
    error.stack = 's'.repeat(100_000);

    const { message, stack } = describeThrown(error);

    expect([message.length, stack!.length]).toEqual([2_000, 8_000 + '\nCaused by '.length + 500]);
  });

  it.each(Object.entries(hostile))('is a text for %s', (_, thrown) => {
    const { message, stack = '' } = describeThrown(thrown);

    expect([typeof message, typeof stack, typeof lineOf(thrown)]).toEqual(['string', 'string', 'string']);
    expect(message).not.toBe('');
  });

  it.each(['is down', 'is down.', 'is down. \n', 'is down...'])(
    'ends with one full stop in a message: %j',
    (message) => {
      expect(sentenceOf(new RangeError(message))).toBe('RangeError: is down.');
    },
  );
});
