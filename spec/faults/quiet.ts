import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection, mongo } from 'mongoose';
import { now } from './clock';
import type { Event } from './events';
import type { Note } from './history';

const LOOK_MS = 250;
const COLLECTIONS = ['plains', 'steps'];

export interface Quiet {
  readonly connection: Connection;
  readonly note: Note;
  /** What was added to the histories since the last call. */
  follow(): Event[];
  /** Those that are expected to be at work. */
  parts(): readonly string[];
  /** For so long nothing at all may happen while something is left to do. */
  readonly patienceMs: number;
}

/**
 * Waits until healthy workers have done all there is to do, and each part of each process has been seen to look for more. When nothing
 * goes on for a while, what is left is told and the wait is over.
 */
export async function rest({ connection, note, follow, parts, patienceMs }: Quiet): Promise<void> {
  const at = now();
  const looks = new Map<string, number>();
  const isAtWork = (part: string) => (looks.get(part) ?? 0) > at;
  let left = await findLeft(connection);
  for (let movedAt = at; now() - movedAt < patienceMs; await sleep(LOOK_MS)) {
    for (const event of follow()) if (event.name === 'looked') looks.set(event.by, event.at);
    const before = left.length;
    left = await findLeft(connection);
    if (left.length === 0 && parts().every(isAtWork)) break;
    if (left.length < before) movedAt = now();
  }
  for (const document of left) note({ name: 'left', task: String(document._id), text: describe(document) });
  note({ name: 'quiet', at, until: now() });
}

async function findLeft(connection: Connection): Promise<mongo.Document[]> {
  const live = { state: { $in: ['CREATED', 'RUNNING'] }, '_task.schedule': { $exists: false } };
  const found = await Promise.all(
    COLLECTIONS.map((name) => (connection.collection(name) as unknown as mongo.Collection).find(live).toArray()),
  );

  return found.flat();
}

function describe({ state, fate, all, any, broken, _task }: mongo.Document): string {
  return JSON.stringify({ state, fate, all, any, broken, _task });
}
