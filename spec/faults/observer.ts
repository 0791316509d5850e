import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection, mongo } from 'mongoose';
import type { Note } from './history';
import { uniqueOf } from './program';

const LOOK_MS = 200;
const COLLECTIONS = ['plains', 'steps'];

interface Held {
  _id: { toHexString(): string };
  _task: { token: { toHexString(): string }; claims: number; attempts: number; startedAt: Date };
}

/** Looks again and again who holds what, and tells of each hold once. Ends when the returned function is called. */
export function observe(connection: Connection, note: Note): () => Promise<void> {
  const seen = new Set<string>();
  let isOver = false;
  const look = async () => {
    while (!isOver) {
      for (const name of COLLECTIONS) {
        // The server may be down.
        const held = await findHeld(connection, name).catch((): Held[] => []);
        for (const one of held) tell(one, seen, note);
      }
      await sleep(LOOK_MS);
    }
  };
  const looking = look();

  return () => ((isOver = true), looking);
}

function findHeld(connection: Connection, name: string): Promise<Held[]> {
  const fields = { '_task.token': 1, '_task.claims': 1, '_task.attempts': 1, '_task.startedAt': 1 };
  const collection = connection.collection(name) as unknown as mongo.Collection;

  return collection
    .find({ state: 'RUNNING' }, { projection: fields, maxTimeMS: 2_000 })
    .toArray() as unknown as Promise<Held[]>;
}

function tell({ _id, _task }: Held, seen: Set<string>, note: Note): void {
  const { claims: fence, attempts, startedAt } = _task;
  const token = uniqueOf(_task.token.toHexString());
  const key = `${_id.toHexString()} ${fence} ${token}`;
  if (seen.has(key)) return;
  seen.add(key);
  note({ name: 'held', task: _id.toHexString(), fence, token, attempts, claimedAt: startedAt.getTime() });
}
