const HOUR_MS = 3_600_000;
/** No clock on a wall is further from UTC. */
const FAR_MS = 24 * HOUR_MS;

/** The clock on the wall in a time zone. What it shows is held in a Date as if it were UTC. */
export class Zone {
  readonly #format: Intl.DateTimeFormat;

  constructor(timeZone: string) {
    const digits = { year: 'numeric', month: 'numeric', day: 'numeric' } as const;
    const clock = { hour: 'numeric', minute: 'numeric', second: 'numeric', hourCycle: 'h23' } as const;
    this.#format = new Intl.DateTimeFormat('en-US', { timeZone, calendar: 'gregory', ...digits, ...clock });
  }

  /** What the clock shows at a moment. */
  wallAt(moment: Date): Date {
    const shown: Record<string, number> = {};
    for (const { type, value } of this.#format.formatToParts(moment)) shown[type] = Number(value);
    const { year, month, day, hour, minute, second } = shown as Record<(typeof SHOWN)[number], number>;

    return new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  }

  /** When the clock shows a time first; where it skips the time, the moment at which it does. */
  momentOf(wall: Date): Date {
    const at = wall.getTime();
    // Of the two ways to set the clock around that time, those by which it shows it.
    const moments = [at - FAR_MS, at + FAR_MS]
      .map((near) => at - (this.wallAt(new Date(near)).getTime() - near))
      .filter((moment) => this.wallAt(new Date(moment)).getTime() === at);

    return new Date(moments.length > 0 ? Math.min(...moments) : this.#changeAround(at));
  }

  /** The first second at which the clock shows more than a time that it skips. */
  #changeAround(wall: number): number {
    let [before, after] = [wall - FAR_MS, wall + FAR_MS];
    while (after - before > 1_000) {
      const middle = before + Math.floor((after - before) / 2_000) * 1_000;
      if (this.wallAt(new Date(middle)).getTime() > wall) after = middle;
      else before = middle;
    }

    return after;
  }
}

const SHOWN = ['year', 'month', 'day', 'hour', 'minute', 'second'] as const;
