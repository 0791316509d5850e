import {
  clockTime,
  exact,
  number,
  plural,
  relative,
  span,
  standing,
  toneOf,
  upTo,
} from '../../../lib/dashboard/page/words';

const NOW = Date.parse('2026-03-01T12:00:00.000Z');
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

describe('numbers', () => {
  it.each([
    [0, '0'],
    [999, '999'],
    [1_000, '1\u202f000'],
    [1_234_567.4, '1\u202f234\u202f567'],
  ])('%d is %s', (value, text) => {
    expect(number(value)).toBe(text);
  });

  it('say where counting stopped', () => {
    expect([upTo(9_999), upTo(10_000), upTo(12, true)]).toEqual(['9\u202f999', '10\u202f000+', '12+']);
  });

  it('have one of a thing in the singular', () => {
    expect([plural(1, 'task'), plural(0, 'task'), plural(2, 'dependency', 'dependencies')]).toEqual([
      '1 task',
      '0 tasks',
      '2 dependencies',
    ]);
  });
});

describe('times', () => {
  it.each([
    [0, '0 ms'],
    [850, '850 ms'],
    [1_540, '1.5 s'],
    [59 * SECOND, '59 s'],
    [3 * MINUTE, '3 min'],
    [2 * HOUR + 5 * MINUTE + 3 * SECOND, '2 h 5 min'],
    [50 * HOUR, '2 d 2 h'],
  ])('%d ms last %s', (ms, text) => {
    expect(span(ms)).toBe(text);
  });

  it.each([
    [-1_000, 'just now'],
    [-5 * SECOND, '5 s ago'],
    [-59 * MINUTE, '59 min ago'],
    [2 * HOUR, 'in 2 h'],
    [72 * HOUR, 'in 3 d'],
  ])('%d ms from now are %s', (ms, text) => {
    expect(relative(NOW + ms, NOW)).toBe(text);
  });

  it('are exact to the millisecond, with UTC beside the zone of the reader', () => {
    expect(exact('2026-03-01T09:08:07.065Z')).toMatch(
      /^2026-0[23]-\d\d \d\d:\d\d:07\.065 \(2026-03-01T09:08:07\.065Z\)$/,
    );
  });

  it('have their day where it is not today', () => {
    expect(clockTime(new Date(NOW).toISOString(), NOW)).toMatch(/^\d\d:\d\d:\d\d$/);
    expect(clockTime(new Date(NOW - 48 * HOUR).toISOString(), NOW)).toMatch(/^2026-02-2\d \d\d:\d\d$/);
  });
});

describe('states', () => {
  const created = { state: 'CREATED', dueAt: new Date(NOW - 1).toISOString(), reason: null };

  it.each([
    ['CREATED and due', created, undefined, 'ready'],
    ['CREATED and due later', { ...created, dueAt: new Date(NOW + 1).toISOString() }, undefined, 'delayed'],
    ['CREATED without a time', { ...created, dueAt: null }, undefined, 'ready'],
    ['CREATED and waiting', { ...created, reason: 'waits for 2 documents' }, undefined, 'blocked'],
    ['CREATED in the list of the blocked', created, 'blocked', 'blocked'],
    ['CREATED in the list of all', created, 'PENDING', 'ready'],
    ['FAILED', { ...created, state: 'FAILED' }, 'blocked', 'FAILED'],
  ])('%s', (_, row, listed, expected) => {
    expect(standing(row, listed, NOW)).toBe(expected);
  });

  it('have a colour by whatever name they come', () => {
    expect(['FAILED', 'failed', 'CREATED', 'paid', null].map((state) => toneOf(state))).toEqual([
      'failed',
      'failed',
      'ready',
      'plain',
      'plain',
    ]);
  });
});
