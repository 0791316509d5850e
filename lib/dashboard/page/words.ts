/** Numbers, times and states as people read them. */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const UNITS = [
  [DAY, 'd'],
  [HOUR, 'h'],
  [MINUTE, 'min'],
  [SECOND, 's'],
] as const;

/** The states of what goes on only if somebody queues it again. */
export const ENDED: readonly string[] = ['FINISHED', 'FAILED', 'CANCELLED'];

/** 12 345 as "12 345", with spaces that are narrow and do not break. */
export function number(value: number): string {
  return Math.round(value)
    .toString()
    .replaceAll(/\B(?=(\d{3})+$)/g, '\u202f');
}

/** A count of the server, which stops at 10 000. */
export function upTo(value: number, more = value >= 10_000): string {
  return more ? `${number(value)}+` : number(value);
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${number(value)} ${value === 1 ? one : many}`;
}

/** How long, in the two biggest units: "850 ms", "1.5 s", "2 h 5 min". */
export function span(ms: number): string {
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < 10 * SECOND) return `${Math.round(ms / 100) / 10} s`;
  const at = UNITS.findIndex(([unit]) => ms >= unit);
  const [unit, name] = UNITS[at]!;
  const [smaller, smallerName] = UNITS[at + 1] ?? [unit, name];
  const rest = Math.floor((ms % unit) / smaller);

  return `${number(Math.floor(ms / unit))} ${name}${rest > 0 ? ` ${rest} ${smallerName}` : ''}`;
}

/** How far from now, in one unit: "3 min ago", "in 2 h". */
export function relative(at: number, now: number): string {
  const away = Math.abs(at - now);
  if (away < 2 * SECOND) return 'just now';
  const [unit, name] = UNITS.find(([one]) => away >= one)!;
  const text = `${number(Math.floor(away / unit))} ${name}`;

  return at < now ? `${text} ago` : `in ${text}`;
}

/** A time to the millisecond, in the reader's zone and in UTC. */
export function exact(iso: string): string {
  const at = new Date(iso);
  const two = (value: number, digits = 2) => String(value).padStart(digits, '0');
  const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join('-');
  const time = [at.getHours(), at.getMinutes(), at.getSeconds()].map((value) => two(value)).join(':');

  return `${day} ${time}.${two(at.getMilliseconds(), 3)} (${at.toISOString()})`;
}

/** A time to the second, or with its day where that is not today. */
export function clockTime(iso: string, now: number): string {
  const at = new Date(iso);
  const [time, day] = [exact(iso).slice(11, 19), exact(iso).slice(0, 10)];

  return at.toDateString() === new Date(now).toDateString() ? time : `${day} ${time.slice(0, 5)}`;
}

export type Tone = 'ready' | 'running' | 'finished' | 'failed' | 'delayed' | 'blocked' | 'cancelled' | 'plain';

const TONES: Record<string, Tone> = {
  READY: 'ready',
  CREATED: 'ready',
  PENDING: 'ready',
  RUNNING: 'running',
  FINISHED: 'finished',
  FAILED: 'failed',
  DELAYED: 'delayed',
  BLOCKED: 'blocked',
  CANCELLED: 'cancelled',
};

interface Stateful {
  readonly state: string;
  readonly dueAt: string | null;
  readonly reason: string | null;
}

/** What becomes of a task next: of a CREATED one whether it is ready, delayed or blocked. */
export function standing({ state, dueAt, reason }: Stateful, listed: string | undefined, now: number): string {
  if (state !== 'CREATED') return state;
  if (listed === 'ready' || listed === 'delayed' || listed === 'blocked') return listed;
  if (reason?.startsWith('waits for')) return 'blocked';

  return dueAt !== null && Date.parse(dueAt) > now ? 'delayed' : 'ready';
}

/** The colour of a state, by whatever name the server has for it. */
export function toneOf(state: string | null): Tone {
  return TONES[state?.toUpperCase() ?? ''] ?? 'plain';
}
