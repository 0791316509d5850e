import { mongo } from 'mongoose';
import type { AnyModel } from '../definition/definition';
import { safely } from '../values/describe';
import { isPlain } from '../values/writable';
import { HIDDEN, type View } from './view';

/** What is longer is cut, and says so. */
const MAX_TEXT = 4_000;
const MAX_ITEMS = 100;
const MAX_DEPTH = 10;
/** At most about this many values of one document are shown. */
const MAX_VALUES = 5_000;

/** Makes values fit to be shown: hidden ones are covered, formatted ones are what their formatter says, long ones are cut. */
export class Shower {
  #left = MAX_VALUES;

  constructor(
    private readonly view: View,
    private readonly model: AnyModel,
  ) {}

  /** The fields of a document, without those that `leaves` out. */
  fields(document: object, leavesOut: ReadonlySet<string>): Record<string, unknown> {
    const entries = Object.entries(document).filter(([name]) => !leavesOut.has(name));

    return this.#object(entries, '', 0);
  }

  /** The value at a path, as relaxed Extended JSON. */
  value(value: unknown, path: string, depth = 0): unknown {
    if (this.view.isHidden(this.model, path)) return HIDDEN;
    const formatter = this.view.formatter(this.model, path);
    const formatted = formatter && safely(() => formatter(value));
    const shown = formatted === undefined ? value : formatted;
    if (this.#left-- <= 0 || depth > MAX_DEPTH) return '[cut]';

    // The places of a list have no path of their own.
    if (Array.isArray(shown)) return this.#list(shown, path, depth);
    if (isPlain(shown)) return this.#object(Object.entries(shown), path ? `${path}.` : '', depth);
    return typeof shown === 'string' ? cut(shown) : atom(shown);
  }

  #list(list: readonly unknown[], path: string, depth: number): unknown[] {
    const shown = list.slice(0, MAX_ITEMS).map((one) => this.value(one, path, depth + 1));

    return list.length > MAX_ITEMS ? [...shown, `[${list.length - MAX_ITEMS} more]`] : shown;
  }

  #object(all: readonly [string, unknown][], prefix: string, depth: number): Record<string, unknown> {
    const shown = all
      .slice(0, MAX_ITEMS)
      .map(([name, value]) => [name, this.value(value, prefix + name, depth + 1)] as const);
    const more = all.length > MAX_ITEMS ? [['…', `[${all.length - MAX_ITEMS} more]`] as const] : [];

    return Object.fromEntries([...shown, ...more]);
  }
}

/** A text of at most so many characters. */
export function cut(text: string, length = MAX_TEXT): string {
  return text.length > length ? `${text.slice(0, length)}… [${text.length - length} more characters]` : text;
}

/** A value in one short line. */
export function inLine(shown: unknown, length: number): string {
  const bare = bareOf(shown);
  const text =
    typeof bare === 'string' ? bare : (JSON.stringify(bare, (_, one: unknown) => bareOf(one)) ?? String(bare));
  const line = text.replaceAll(/\s+/g, ' ').trim();

  return line.length > length ? `${line.slice(0, length - 1)}…` : line;
}

/** The text of an id or a date instead of its Extended JSON. */
function bareOf(shown: unknown): unknown {
  const { $oid, $date } = (shown ?? {}) as { $oid?: unknown; $date?: unknown };

  return [$oid, $date].find((text) => typeof text === 'string') ?? shown;
}

/** A date as an ISO text; null for what is none. */
export function isoOf(date: unknown): string | null {
  return date instanceof Date && !Number.isNaN(date.getTime()) ? date.toISOString() : null;
}

function atom(value: unknown): unknown {
  if (value === undefined || value === null || typeof value === 'number' || typeof value === 'boolean')
    return Number.isNaN(value) || value === undefined ? String(value) : value;
  if (typeof value === 'bigint') return String(value);
  if (value instanceof mongo.Binary || ArrayBuffer.isView(value)) return `[${lengthOf(value)} bytes]`;

  const text = safely(() => mongo.BSON.EJSON.stringify(value, { relaxed: true }));
  if (text === undefined) return '[unreadable]';
  return text.length > MAX_TEXT ? cut(text) : (JSON.parse(text) as unknown);
}

function lengthOf(bytes: mongo.Binary | ArrayBufferView): number {
  return bytes instanceof mongo.Binary ? bytes.length() : bytes.byteLength;
}
