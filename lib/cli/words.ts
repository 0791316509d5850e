/** Numbers and times as people read them. */

import { MAX_COUNT } from '../inspect/limits';

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const;

/** A duration in its two largest units: `2 h 5 min`, `340 ms`. */
export function duration(ms: number): string {
  const whole = Math.abs(ms);
  const index = UNITS.findIndex(([, size]) => whole >= size);
  if (index === -1) return `${Math.round(whole)} ms`;
  const [unit, size] = UNITS[index]!;
  const [smaller, smallerSize] = UNITS[index + 1] ?? ['', Infinity];
  const rest = Math.floor((whole % size) / smallerSize);

  return `${Math.floor(whole / size)} ${unit}${rest > 0 ? ` ${rest} ${smaller}` : ''}`;
}

/** A time, and how far it is from now: `2026-01-31T10:00:00.000Z (5 min ago)`. */
export function time(at: Date | string, now: Date): string {
  const date = new Date(at);

  return `${date.toISOString()} (${distance(date, now)})`;
}

/** `5 min ago`, or `in 5 min`. */
export function distance(at: Date | string | null, now: Date): string {
  if (at === null) return '';
  const ms = now.getTime() - new Date(at).getTime();
  if (Math.abs(ms) < 1_000) return 'now';

  return ms > 0 ? `${duration(ms)} ago` : `in ${duration(ms)}`;
}

export function count(value: number, one = '', many = `${one}s`): string {
  const shown = value.toLocaleString('en');

  return one === '' ? shown : `${shown} ${value === 1 ? one : many}`;
}

/** A count that stops at 10 000. */
export function counted(value: number): string {
  return value >= MAX_COUNT ? `${count(MAX_COUNT)}+` : count(value);
}
