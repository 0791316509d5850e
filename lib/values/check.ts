import { InvalidOptionError } from '../errors';

/** The longest wait of a timer, in milliseconds: setTimeout fires at once for a longer one. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** The longest wait of a task, in milliseconds: a hundred years. */
export const MAX_DELAY_MS = 100 * 366 * 86_400_000;

/**
 * The time of a task that waits until another event: a parked task, or one whose schedule has no further run. It may be any date that the
 * server can compare and no wait reaches.
 */
export const NEVER = new Date('9999-12-31T00:00:00Z');

/** At most this many characters of a value are shown in a message. */
const MAX_SHOWN = 100;

/** Refuses keys that are not in `known`, naming the one that was probably meant. */
export function refuseUnknown(given: unknown, known: readonly string[], where: string): void {
  if (!isObject(given)) {
    throw new InvalidOptionError(
      `Expected the options of ${where} to be an object, got ${shown(given)}. Known are: ${known.join(', ')}.`,
    );
  }
  for (const key of Object.keys(given)) {
    if (known.includes(key)) continue;

    const nearest = nearestName(key, known);
    const hint = nearest ? ` Did you mean \`${nearest}\`?` : '';
    throw new InvalidOptionError(`Unknown option \`${key}\` of ${where}.${hint} Known are: ${known.join(', ')}.`);
  }
}

/** The error for a value that is not what it should be: what was expected, what was found, what to write instead. */
export function wrongValue(name: string, expected: string, found: unknown, instead: string): InvalidOptionError {
  return new InvalidOptionError(
    `Expected \`${name}\` to be ${expected}, got ${shown(found)}. Write for example ${instead}.`,
  );
}

export function requireInteger(
  name: string,
  value: unknown,
  min: number,
  max: number,
  unit: string,
  instead: string,
): void {
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return;
  throw wrongValue(name, `a whole number${unit && ` of ${unit}`} from ${min} to ${max}`, value, instead);
}

export function requireDate(name: string, value: unknown, instead: string): void {
  if (!(value instanceof Date && !Number.isNaN(value.getTime())))
    throw wrongValue(name, 'a valid Date', value, instead);
}

export function requireBoolean(name: string, value: unknown): void {
  if (typeof value !== 'boolean') throw wrongValue(name, 'true or false', value, `\`${name}: true\``);
}

export function requireText(name: string, value: unknown, instead: string): void {
  if (typeof value !== 'string' || value === '') throw wrongValue(name, 'a text that is not empty', value, instead);
}

const MAX_REASON = 1_000;

/** A reason that is kept for others to read: none, or a text that is not too long. */
export function requireReason(value: unknown, instead: string): void {
  if (value === undefined || (typeof value === 'string' && value !== '' && value.length <= MAX_REASON)) return;
  throw wrongValue('reason', `a text of 1 to ${MAX_REASON} characters`, value, instead);
}

export function requireFunction(name: string, value: unknown, instead: string): void {
  if (typeof value !== 'function') throw wrongValue(name, 'a function', value, instead);
}

export function requireObject(name: string, value: unknown, instead: string): void {
  if (!isObject(value)) throw wrongValue(name, 'an object', value, instead);
}

/**
 * Refuses values that the database cannot store: the driver silently leaves out functions and symbols, and cuts bigints to 64 bits. Values
 * with a BSON form of their own, such as dates and documents, are accepted.
 */
export function requireStorable(name: string, value: unknown, above: readonly object[] = []): void {
  const isWrong =
    typeof value === 'function' ||
    typeof value === 'symbol' ||
    (typeof value === 'bigint' && BigInt.asIntN(64, value) !== value) ||
    above.includes(value as object);
  if (isWrong) throw wrongValue(name, 'a value that can be stored', value, `\`{ done: 3, of: 10 }\`, or a text of it`);
  if (!isObject(value) && !Array.isArray(value)) return;
  if ('toBSON' in value || '_bsontype' in value || ArrayBuffer.isView(value)) return;

  for (const [key, one] of Object.entries(value)) requireStorable(`${name}.${key}`, one, [...above, value]);
}

/** The text for a value in a message: the value and its type, for example `"5"` (string). */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return `\`${String(value)}\``;
  if (typeof value === 'string') return `${JSON.stringify(value.slice(0, MAX_SHOWN))} (string)`;
  if (typeof value === 'function') return `the function \`${value.name || 'anonymous'}\``;
  if (value instanceof Date) return `${String(value)} (Date)`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object') return `an object (${value.constructor?.name ?? 'no prototype'})`;

  return `\`${String(value as string | number | boolean | bigint | symbol).slice(0, MAX_SHOWN)}\` (${typeof value})`;
}

function isObject(value: unknown): value is object {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function nearestName(name: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];

  return best && best.distance <= Math.max(2, Math.floor(name.length / 3)) ? best.candidate : undefined;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const substituted = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(substituted, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }

  return previous[b.length]!;
}
