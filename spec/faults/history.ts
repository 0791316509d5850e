import { closeSync, fstatSync, openSync, readdirSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { now } from './clock';
import type { Event, Told } from './events';

const SUFFIX = '.history';
const NEW_LINE = 0x0a;

export type Note = (told: Told & { readonly at?: number }) => void;

export interface History {
  readonly note: Note;
  /** The same for one part of the process. */
  noteAs(part: string): Note;
  close(): void;
}

/**
 * The history of one process, in a file of its own. A line is one write, so that a kill right after it loses nothing: what the kernel
 * has outlives the process.
 */
export function openHistory(folder: string, by: string): History {
  const file = openSync(join(folder, `${by}${SUFFIX}`), 'a');
  const noter =
    (who: string): Note =>
    (told) =>
      void writeSync(file, `${JSON.stringify({ at: now(), by: who, ...told })}\n`);

  return { note: noter(by), noteAs: (part) => noter(`${by}/${part}`), close: () => closeSync(file) };
}

/** Reads what all processes that write to a folder have added since the last call. */
export function followHistories(folder: string): () => Event[] {
  const offsets = new Map<string, number>();

  return () =>
    readdirSync(folder)
      .filter((name) => name.endsWith(SUFFIX))
      .flatMap((name) => {
        const offset = offsets.get(name) ?? 0;
        const added = readFrom(join(folder, name), offset);
        // The last line may be half of one.
        const whole = added.subarray(0, added.lastIndexOf(NEW_LINE) + 1);
        offsets.set(name, offset + whole.length);
        return whole.toString().split('\n').filter(Boolean).map(parse);
      });
}

/** All events of a folder, the oldest first. */
export function readHistories(folder: string): Event[] {
  return followHistories(folder)().sort((one, other) => one.at - other.at);
}

export function processOf(by: string): string {
  return by.split('/')[0]!;
}

function readFrom(path: string, offset: number): Buffer {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(Math.max(0, fstatSync(file).size - offset));
    return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, offset));
  } finally {
    closeSync(file);
  }
}

function parse(line: string): Event {
  return JSON.parse(line) as Event;
}
