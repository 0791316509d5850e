import type { Connection, mongo } from 'mongoose';

/** What a server did for a call: it does not depend on how busy the machine is. */
export interface Work {
  readonly commands: number;
  /** Index keys and documents that were looked at. */
  readonly examined: number;
}

const PROFILE_BYTES = 64 * 2 ** 20;

/** Runs calls one after the other and tells what the server did for each in this database, by its profiler. */
export async function workOf({ db }: Connection, calls: readonly (() => Promise<unknown>)[]): Promise<Work[]> {
  const database = db!;
  await database.createCollection('system.profile', { capped: true, size: PROFILE_BYTES });
  const done: Work[] = [];
  try {
    for (const call of calls) {
      const since = await profileEnd(database);
      await database.command({ profile: 2 });
      await call();
      await database.command({ profile: 0 });
      done.push(await workSince(database, since));
    }
  } finally {
    await database.command({ profile: 0 });
    await database.dropCollection('system.profile');
  }
  return done;
}

async function profileEnd(database: mongo.Db): Promise<number> {
  return database.collection('system.profile').countDocuments({});
}

async function workSince(database: mongo.Db, seen: number): Promise<Work> {
  const entries = await database
    .collection('system.profile')
    .find({}, { sort: { $natural: 1 }, projection: { op: 1, ns: 1, keysExamined: 1, docsExamined: 1 } })
    .skip(seen)
    .toArray();
  const own = entries.filter(({ ns }) => !String(ns).endsWith('.system.profile'));
  const examined = own.reduce((sum, one) => sum + (one['keysExamined'] ?? 0) + (one['docsExamined'] ?? 0), 0);

  return { commands: own.length, examined };
}
