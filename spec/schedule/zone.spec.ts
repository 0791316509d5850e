import fc from '../support/property';
import { nextRun, resolveSchedule } from '../../lib/schedule/schedule';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Days before a change of the clock, and where. */
const CHANGES: [zone: string, day: string][] = [
  ['Europe/Berlin', '2027-03-27'],
  ['Europe/Berlin', '2027-10-30'],
  ['America/New_York', '2027-03-13'],
  ['America/New_York', '2027-11-06'],
  // Before midnight, from 23:00 to 00:00 and back.
  ['America/Nuuk', '2027-03-27'],
  ['America/Nuuk', '2027-10-30'],
  // By half an hour.
  ['Australia/Lord_Howe', '2027-10-02'],
  ['Australia/Lord_Howe', '2027-04-03'],
  // Around Ramadan, the other way round.
  ['Africa/Casablanca', '2027-02-06'],
  ['Africa/Casablanca', '2027-03-13'],
  // At midnight.
  ['America/Santiago', '2027-09-04'],
  ['America/Santiago', '2027-04-03'],
  ['Asia/Beirut', '2027-03-27'],
  ['Asia/Beirut', '2027-10-30'],
  // Days that there were not.
  ['Pacific/Apia', '2011-12-29'],
  ['Pacific/Kwajalein', '1993-08-20'],
  ['UTC', '2027-03-27'],
  ['Asia/Kathmandu', '2027-03-27'],
];

/** What the clock shows, minute by minute, from noon before the day to noon three days later. Of another source than the library's. */
class WallClock {
  readonly #from: number;
  readonly #shown: string[] = [];

  constructor(zone: string, day: string) {
    this.#from = new Date(`${day}T00:00Z`).getTime() - 36 * HOUR;
    // In Swedish a time looks as it does in ISO 8601.
    const format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' });
    for (let minute = 0; minute < (6 * DAY) / MINUTE; minute++) {
      this.#shown.push(format.format(this.#from + minute * MINUTE));
    }
  }

  momentsOf(wall: string): number[] {
    return this.#shown.flatMap((shown, minute) => (shown.slice(0, 16) === wall ? [this.#from + minute * MINUTE] : []));
  }

  /** When it went past a time that it did not show. */
  changeOver(wall: string): number {
    const minute = this.#shown.findIndex((shown, at) => at > 0 && shown > wall && this.#shown[at - 1]! < wall);

    return this.#from + minute * MINUTE;
  }
}

const clocks = new Map(CHANGES.map((change) => [String(change), null as WallClock | null]));

function clockOf(change: [string, string]): WallClock {
  const clock = clocks.get(String(change)) ?? new WallClock(...change);
  clocks.set(String(change), clock);

  return clock;
}

interface Times {
  hours: number[];
  minutes: number[];
  seconds: number[];
}

const two = (number: number) => String(number).padStart(2, '0');

/** The times of four days by the rule itself: each listed one once, at the first moment it is shown or at the change that skips it. */
function listed(change: [string, string], { hours, minutes, seconds }: Times): number[] {
  const clock = clockOf(change);
  const runs = new Set<number>();
  for (let day = 0; day < 4; day++) {
    const date = new Date(new Date(`${change[1]}T00:00Z`).getTime() + day * DAY).toISOString().slice(0, 10);
    for (const hour of hours)
      for (const minute of minutes) {
        const wall = `${date} ${two(hour)}:${two(minute)}`;
        const [first] = clock.momentsOf(wall);
        if (first === undefined) runs.add(clock.changeOver(wall));
        else for (const second of seconds) runs.add(first + second * 1_000);
      }
  }

  return [...runs].toSorted((a, b) => a - b);
}

function runsBetween(cron: string, timeZone: string, from: number, until: number): number[] {
  const runs: number[] = [];
  for (let last = new Date(from - 1); ;) {
    last = nextRun({ cron, timeZone }, last, last);
    if (last.getTime() > until) return runs;
    runs.push(last.getTime());
  }
}

const iso = (times: number[]) => times.map((time) => new Date(time).toISOString());
const some = (max: number, maxLength: number) => fc.uniqueArray(fc.nat({ max }), { minLength: 1, maxLength });
const list = (numbers: number[]) => numbers.join(',');
const changes = fc.constantFrom(...CHANGES);

describe('a pattern that lists its times', () => {
  it('has each of them once, wherever the clock changes', () => {
    fc.assert(
      fc.property(changes, some(23, 5), some(59, 4), some(59, 2), (change, hours, minutes, seconds) => {
        const expected = listed(change, { hours, minutes, seconds });
        const cron = `${list(seconds)} ${list(minutes)} ${list(hours)} * * *`;

        expect(iso(runsBetween(cron, change[0], expected[0]!, expected.at(-1)!))).toEqual(iso(expected));
      }),
      { numRuns: 100 },
    );
  });

  it('may give them as a range', () => {
    const ranges = fc.tuple(fc.nat({ max: 23 }), fc.nat({ max: 5 }));
    fc.assert(
      fc.property(changes, ranges, some(59, 2), (change, [from, more], minutes) => {
        const to = Math.min(23, from + more);
        const hours = Array.from({ length: to - from + 1 }, (_, index) => from + index);
        const expected = listed(change, { hours, minutes, seconds: [0] });

        const found = runsBetween(`${list(minutes)} ${from}-${to} * * *`, change[0], expected[0]!, expected.at(-1)!);
        expect(iso(found)).toEqual(iso(expected));
      }),
      { numRuns: 50 },
    );
  });

  it('has its next run after any moment, also between the two times that the clock shows the same', () => {
    fc.assert(
      fc.property(changes, some(23, 3), some(59, 2), fc.nat({ max: 2 * DAY - 1 }), (change, hours, minutes, ms) => {
        const expected = listed(change, { hours, minutes, seconds: [0] });
        const after = new Date(expected[0]! + ms);
        const cron = `${list(minutes)} ${list(hours)} * * *`;

        const next = nextRun({ cron, timeZone: change[0] }, after, after);
        expect(next.getTime()).toBe(expected.find((time) => time > after.getTime()));
      }),
      { numRuns: 200 },
    );
  });
});

describe('a pattern with a wildcard', () => {
  it.each(CHANGES.slice(0, 15))('goes by the clock on the wall: in %s after %s', (...change) => {
    const clock = clockOf(change);
    const from = new Date(`${change[1]}T00:00Z`).getTime();
    const days = [0, 1, 2].map((day) => new Date(from + day * DAY).toISOString().slice(0, 10));
    const walls = days.flatMap((day) =>
      Array.from({ length: 24 }, (_, hour) => [0, 20, 40].map((minute) => `${day} ${two(hour)}:${two(minute)}`)).flat(),
    );
    const expected = walls.flatMap((wall) => clock.momentsOf(wall)).toSorted((a, b) => a - b);

    expect(iso(runsBetween('*/20 * * * *', change[0], expected[0]!, expected.at(-1)!))).toEqual(iso(expected));
  });
});

it.each<[cron: string, zone: string, after: string, runs: string[]]>([
  ['0 2,14 * * *', 'Europe/Berlin', '2027-03-27T22:00Z', ['2027-03-28T01:00', '2027-03-28T12:00', '2027-03-29T00:00']],
  ['0,30 2 * * *', 'Europe/Berlin', '2027-03-27T22:00Z', ['2027-03-28T01:00', '2027-03-29T00:00', '2027-03-29T00:30']],
  ['0,30 2 * * *', 'Europe/Berlin', '2027-10-30T22:00Z', ['2027-10-31T00:00', '2027-10-31T00:30', '2027-11-01T01:00']],
  ['15 23 * * *', 'America/Nuuk', '2027-03-27T12:00Z', ['2027-03-28T01:00', '2027-03-29T00:15']],
  ['@daily', 'America/Santiago', '2027-09-04T12:00Z', ['2027-09-05T04:00', '2027-09-06T03:00']],
  ['0 12 30 12 *', 'Pacific/Apia', '2011-01-01T12:00Z', ['2011-12-30T10:00', '2012-12-29T22:00']],
  // The Sunday itself begins with the skipped hour.
  ['30 23 * * SAT', 'America/Nuuk', '2027-03-27T12:00Z', ['2027-03-28T01:00', '2027-04-04T00:30']],
  ['30 2 L 3 *', 'Europe/Berlin', '2024-03-30T12:00Z', ['2024-03-31T01:00', '2025-03-31T00:30']],
])('%s in %s after %s', (cron, timeZone, after, runs) => {
  const found: string[] = [];
  for (let last = new Date(after); found.length < runs.length;) {
    last = nextRun({ cron, timeZone }, last, last);
    found.push(last.toISOString().slice(0, 16));
  }

  expect(resolveSchedule({ cron, timeZone })).toEqual({ cron, timeZone });
  expect(found).toEqual(runs);
});
