import mongoose, { type Connection, mongo } from 'mongoose';
import type { Comparison } from './harness';

/** What a measure works with: one server, by the plugin and by the plain driver. */
export interface Setting {
  readonly connection: Connection;
  readonly database: mongo.Db;
  /** Names its database, for other processes. */
  readonly uri: string;
  /** How many tasks a round is to have, for a measure that can be told. */
  readonly tasks?: number | undefined;
}

/** Prepares the data that all rounds share and says what is compared. */
export type Measure = (setting: Setting) => Promise<Comparison[]> | Comparison[];

/** As many connections for each side, so that neither waits for one. */
const MAX_POOL_SIZE = 64;

function withDatabase(uri: string, name: string): string {
  return uri.replace(/^(mongodb(?:\+srv)?:\/\/[^/?]+)(?:\/[^?]*)?/, `$1/${name}`);
}

/** Gives a measure an empty database of its own, which is dropped afterwards. */
export async function inDatabase(uri: string, name: string, use: (setting: Setting) => Promise<void>): Promise<void> {
  const options = { dbName: `bench_${name}`, maxPoolSize: MAX_POOL_SIZE };
  // The measures create collections and indexes themselves, at a moment of their choice.
  const connection = await mongoose
    .createConnection(uri, { ...options, autoCreate: false, autoIndex: false })
    .asPromise();
  const client = await mongo.MongoClient.connect(uri, { maxPoolSize: MAX_POOL_SIZE });
  try {
    await connection.dropDatabase();
    await use({ connection, database: client.db(options.dbName), uri: withDatabase(uri, options.dbName) });
    await connection.dropDatabase();
  } finally {
    await client.close();
    await connection.destroy();
  }
}
