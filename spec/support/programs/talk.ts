import { writeSync } from 'node:fs';

/** What `startProgram` was given. */
export function readInput<T>(): T {
  return JSON.parse(process.argv[2] ?? '{}') as T;
}

/** One message to the spec. Written at once, so that a kill right after it does not lose it. */
export function say(message: Record<string, unknown>): void {
  writeSync(1, `${JSON.stringify(message)}\n`);
}
