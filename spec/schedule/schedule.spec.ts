import fc from '../support/property';
import { InvalidOptionError } from 'mongoose-task-queue';
import { firstRun, nextRun, resolveSchedule, type Schedule } from '../../lib/schedule/schedule';

const NEVER = '9999-12-31T00:00:00.000Z';

describe('the next run', () => {
  describe('every so many milliseconds', () => {
    it.each([
      ['ended in time', '12:00:00', '12:00:10', '12:01:00'],
      ['ended late', '12:00:00', '12:03:10', '12:04:00'],
      ['ended at the very time of a slot, which it has missed', '12:00:00', '12:02:00', '12:03:00'],
      ['ended at the very time it was due', '12:00:00', '12:00:00', '12:01:00'],
      ['ended before it was due, by hand', '12:10:00', '12:00:00', '12:11:00'],
    ])('of a run that %s is at its next time', (_, dueAt, now, expected) => {
      expect(time(nextRun({ every: 60_000 }, at(dueAt), at(now)))).toBe(expected);
    });
  });

  describe('by a cron pattern', () => {
    it.each([
      ['* * * * *', '12:00:00', '12:00:10', '12:01:00'],
      ['* * * * *', '12:00:00', '12:03:00', '12:04:00'],
      ['*/15 * * * *', '12:00:00', '12:01:00', '12:15:00'],
      ['*/20 * * * * *', '12:00:00', '12:00:05', '12:00:20'],
      ['30 13 * * *', '12:00:00', '12:00:00', '13:30:00'],
      ['* * * * *', '12:10:00', '12:00:00', '12:11:00'],
    ])('%s after %s, ended %s, is %s', (cron, dueAt, now, expected) => {
      expect(time(nextRun({ cron, timeZone: 'UTC' }, at(dueAt), at(now)))).toBe(expected);
    });

    it('counts parts of a second as the second before', () => {
      const justAfter = new Date('2027-03-01T12:00:00.001Z');

      expect(time(nextRun({ cron: '* * * * *', timeZone: 'UTC' }, justAfter, justAfter))).toBe('12:01:00');
    });

    it('never comes when the pattern has no more times', () => {
      const schedule = { cron: '0 0 0 1 1 * 2027', timeZone: 'UTC' };

      expect(nextRun(schedule, new Date('2027-01-01'), new Date('2027-01-01T00:00:01Z')).toISOString()).toBe(NEVER);
    });

    it.each<[zone: string, cron: string, after: string, runs: string[]]>([
      // The clock goes from 02:00 to 03:00 in the night to the 28th.
      [
        'Europe/Berlin',
        '30 2 * * *',
        '2027-03-26T12:00Z',
        ['2027-03-27T01:30', '2027-03-28T01:00', '2027-03-29T00:30'],
      ],
      ['Europe/Berlin', '0 3 * * *', '2027-03-26T12:00Z', ['2027-03-27T02:00', '2027-03-28T01:00', '2027-03-29T01:00']],
      ['Europe/Berlin', '0 * * * *', '2027-03-27T23:30Z', ['2027-03-28T00:00', '2027-03-28T01:00', '2027-03-28T02:00']],
      [
        'Europe/Berlin',
        '*/30 2 * * *',
        '2027-03-27T12:00Z',
        ['2027-03-29T00:00', '2027-03-29T00:30', '2027-03-30T00:00'],
      ],
      // From 03:00 back to 02:00 in the night to the 31st.
      [
        'Europe/Berlin',
        '30 2 * * *',
        '2027-10-29T12:00Z',
        ['2027-10-30T00:30', '2027-10-31T00:30', '2027-11-01T01:30'],
      ],
      ['Europe/Berlin', '0 3 * * *', '2027-10-29T12:00Z', ['2027-10-30T01:00', '2027-10-31T02:00', '2027-11-01T02:00']],
      [
        'Europe/Berlin',
        '0 * * * *',
        '2027-10-30T22:30Z',
        ['2027-10-30T23:00', '2027-10-31T00:00', '2027-10-31T01:00', '2027-10-31T02:00'],
      ],
      // From 02:00 to 03:00 in the night to the 14th.
      [
        'America/New_York',
        '30 2 * * *',
        '2027-03-12T12:00Z',
        ['2027-03-13T07:30', '2027-03-14T07:00', '2027-03-15T06:30'],
      ],
      [
        'America/New_York',
        '0 * * * *',
        '2027-03-14T05:30Z',
        ['2027-03-14T06:00', '2027-03-14T07:00', '2027-03-14T08:00'],
      ],
      // From 02:00 back to 01:00 in the night to the 7th.
      [
        'America/New_York',
        '30 1 * * *',
        '2027-11-05T12:00Z',
        ['2027-11-06T05:30', '2027-11-07T05:30', '2027-11-08T06:30'],
      ],
      [
        'America/New_York',
        '0 * * * *',
        '2027-11-07T04:30Z',
        ['2027-11-07T05:00', '2027-11-07T06:00', '2027-11-07T07:00'],
      ],
    ])('in %s, %s after %s, keeps to the clock on the wall when it changes', (timeZone, cron, after, runs) => {
      expect(runsAfter({ cron, timeZone }, after, runs.length)).toEqual(runs.map((run) => `${run}:00.000Z`));
    });
  });

  const schedules: fc.Arbitrary<Schedule> = fc.oneof(
    fc.record({ every: fc.integer({ min: 1, max: 10_000_000_000 }) }),
    fc.record({
      cron: fc.constantFrom('* * * * *', '*/7 * * * * *', '30 2 * * *', '0 0 1 * *', '15 1,2,3 * * 0', '0 12 29 2 *'),
      timeZone: fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu'),
    }),
  );
  const moments = fc.date({ min: new Date('2020-01-01'), max: new Date('2040-01-01'), noInvalidDate: true });

  it('is after the slot that ended and after now, whatever they are', () => {
    fc.assert(
      fc.property(schedules, moments, moments, (schedule, dueAt, now) => {
        const next = nextRun(schedule, dueAt, now).getTime();

        expect(next).toBeGreaterThan(Math.max(dueAt.getTime(), now.getTime()));
      }),
      { numRuns: 300 },
    );
  });

  it('is a slot of the same row, for an interval', () => {
    const intervals = fc.integer({ min: 1, max: 10_000_000_000 });
    fc.assert(
      fc.property(intervals, moments, moments, (every, dueAt, now) => {
        const next = nextRun({ every }, dueAt, now).getTime();

        expect((next - dueAt.getTime()) % every).toBe(0);
        expect(next - every).toBeLessThanOrEqual(Math.max(dueAt.getTime(), now.getTime()));
      }),
    );
  });
});

describe('the first run', () => {
  it('is now for an interval, and the next time of a pattern', () => {
    expect(time(firstRun({ every: 60_000 }, at('12:00:30')))).toBe('12:00:30');
    expect(time(firstRun({ cron: '* * * * *', timeZone: 'UTC' }, at('12:00:30')))).toBe('12:01:00');
  });
});

describe('the options of a schedule', () => {
  it('are those of a task that runs once when none is given', () => {
    expect(resolveSchedule({})).toBeNull();
    expect(resolveSchedule({ every: undefined, cron: undefined, timeZone: undefined })).toBeNull();
  });

  it('have UTC as their time zone unless one is given', () => {
    expect(resolveSchedule({ cron: '0 3 * * *' })).toEqual({ cron: '0 3 * * *', timeZone: 'UTC' });
    expect(resolveSchedule({ cron: '@daily', timeZone: 'Europe/Berlin' })).toEqual({
      cron: '@daily',
      timeZone: 'Europe/Berlin',
    });
  });

  it.each<[object, string]>([
    [{ every: 0 }, 'every'],
    [{ every: -60_000 }, 'every'],
    [{ every: 0.5 }, 'every'],
    [{ every: Number.NaN }, 'every'],
    [{ every: Number.POSITIVE_INFINITY }, 'every'],
    [{ every: '1 minute' }, 'every'],
    [{ every: null }, 'every'],
    [{ cron: '' }, 'cron'],
    [{ cron: 5 }, 'cron'],
    [{ cron: null }, 'cron'],
    [{ cron: 'every minute' }, 'cron'],
    [{ cron: '61 * * * *' }, 'cron'],
    [{ cron: '* * * *' }, 'cron'],
    [{ cron: '0 0 31 2 *' }, 'cron'],
    [{ cron: '0 0 0 1 1 * 2020' }, 'cron'],
    [{ cron: '0 3 * * *', timeZone: 'Europe/Atlantis' }, 'timeZone'],
    [{ cron: '0 3 * * *', timeZone: '' }, 'timeZone'],
    [{ cron: '0 3 * * *', timeZone: 5 }, 'timeZone'],
    [{ cron: '0 3 * * *', timeZone: null }, 'timeZone'],
    [{ timeZone: 'Europe/Berlin' }, '`timeZone` together with `cron`'],
    [{ every: 60_000, timeZone: 'Europe/Berlin' }, '`timeZone` together with `cron`'],
    [{ every: 60_000, cron: '* * * * *' }, 'got both'],
  ])('%p are refused', (options, named) => {
    const resolve = () => resolveSchedule(options);

    expect(resolve).toThrow(InvalidOptionError);
    expect(resolve).toThrow(named);
  });
});

function runsAfter(schedule: Schedule, after: string, count: number): string[] {
  const runs: string[] = [];
  for (let last = new Date(after); runs.length < count;) {
    last = nextRun(schedule, last, last);
    runs.push(last.toISOString());
  }

  return runs;
}

function at(clock: string): Date {
  return new Date(`2027-03-01T${clock}Z`);
}

function time(date: Date): string {
  return date.toISOString().slice(11, 19);
}
