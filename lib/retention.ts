import { refuseUnknown, requireInteger, requireObject } from './values/check';

/** How long tasks are kept by the way they ended, in seconds; `false` keeps them. A time that is not given is as without the option. */
export interface Retention {
  /** From the end of a FINISHED task. */
  finished?: number | false;
  /** From the end of a FAILED task. */
  failed?: number | false;
  /** From the end of a CANCELLED task. */
  cancelled?: number | false;
  /** From the later of push and due time of a task that has not ended. */
  unsettled?: number | false;
}

export type ResolvedRetention = Readonly<Record<(typeof NAMES)[number], number | false>>;

const NAMES = ['finished', 'failed', 'cancelled', 'unsettled'] as const;
const MAX_EXPIRY_SECONDS = 2 ** 31 - 1;
/** How much longer a settled task is kept while others wait for it, in seconds: they have to learn how it ended. */
const WATCHED_SECONDS = 86_400;

/** @throws {InvalidOptionError} for what is neither `false`, nor a number of seconds, nor an object of these. */
export function requireRetention(value: unknown): void {
  const name = 'expireAfterSeconds';
  if (value === null || typeof value !== 'object') return requireSeconds(name, value, '`expireAfterSeconds: 86_400`');

  requireObject(name, value, '`expireAfterSeconds: { finished: 3_600, failed: 604_800 }`');
  refuseUnknown(value, NAMES, `\`${name}\``);
  for (const [state, seconds] of Object.entries(value))
    if (seconds !== undefined) requireSeconds(`${name}.${state}`, seconds, `\`${name}: { ${state}: 86_400 }\``);
}

function requireSeconds(name: string, value: unknown, instead: string): void {
  if (value !== false)
    requireInteger(name, value, 0, MAX_EXPIRY_SECONDS, 'seconds', `${instead}, or \`false\` to keep tasks`);
}

export function resolveRetention(given: Retention, byDefault: number | false): ResolvedRetention {
  return Object.fromEntries(NAMES.map((name) => [name, given[name] ?? byDefault])) as ResolvedRetention;
}

/** After how many seconds a settled task goes that others still wait for. */
export function watchedSeconds(seconds: number | false): number | false {
  return seconds !== false && Math.min(seconds + WATCHED_SECONDS, MAX_EXPIRY_SECONDS);
}
