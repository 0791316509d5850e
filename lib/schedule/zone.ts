const HOUR_MS = 3_600_000;
/** How far a local clock may be from UTC at most, in milliseconds. */
const FAR_MS = 24 * HOUR_MS;

/** The local clock of a time zone. A local time is a Date whose UTC fields show it. */
export class Zone {
  readonly #format: Intl.DateTimeFormat;

  constructor(timeZone: string) {
    const digits = { year: 'numeric', month: 'numeric', day: 'numeric' } as const;
    const clock = { hour: 'numeric', minute: 'numeric', second: 'numeric', hourCycle: 'h23' } as const;
    this.#format = new Intl.DateTimeFormat('en-US', { timeZone, calendar: 'gregory', ...digits, ...clock });
  }

  /** The local time at a moment. */
  wallAt(moment: Date): Date {
    const shown: Record<string, number> = {};
    for (const { type, value } of this.#format.formatToParts(moment)) shown[type] = Number(value);
    const { year, month, day, hour, minute, second } = shown as Record<(typeof SHOWN)[number], number>;

    return new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  }

  /** The first moment with a local time; for a time that the clock skips, the moment of the change. */
  momentOf(wall: Date): Date {
    const at = wall.getTime();
    // The clock has one offset before a change and another after it: keeps the moments at which it shows this time.
    const moments = [at - FAR_MS, at + FAR_MS]
      .map((near) => at - (this.wallAt(new Date(near)).getTime() - near))
      .filter((moment) => this.wallAt(new Date(moment)).getTime() === at);

    return new Date(moments.length > 0 ? Math.min(...moments) : this.#changeAround(at));
  }

  /** The first second at which the clock shows a later time than one that it skips. */
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
