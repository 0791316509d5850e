import { randomBytes } from 'node:crypto';
import { basename } from 'node:path';
import { createConnection, type Connection } from 'mongoose';

declare global {
  /** Set by `environment.cjs`. */
  var specFileFailed: boolean | undefined;
}

export interface Database {
  readonly connection: Connection;
  /** Names this database, for a second connection or another process. */
  readonly uri: string;
}

/**
 * An empty database for the spec file (or the `describe`) that calls this. It is dropped at the end, or kept and named
 * when a test of the file failed. Make models with `database.connection.model`: the global `model` shares its registry.
 */
export function useDatabase(kind: 'standalone' | 'replicaSet' = 'standalone'): Database {
  const server = process.env[kind === 'standalone' ? 'MONGODB_STANDALONE_URI' : 'MONGODB_REPLICA_SET_URI'];
  if (!server) throw new Error('No server: specs run through jest.config.cjs, whose global setup starts it.');
  const uri = withDatabase(server, databaseName());
  let connection: Connection | undefined;

  beforeAll(async () => {
    connection = await createConnection(uri).asPromise();
  });

  afterAll(async () => {
    if (globalThis.specFileFailed) sayKept(uri);
    else await connection?.dropDatabase();
    await connection?.destroy();
  });

  return {
    uri,
    get connection() {
      if (!connection) throw new Error('The database is connected in beforeAll: use it in a hook or a test.');
      return connection;
    },
  };
}

function databaseName(): string {
  const file = basename(expect.getState().testPath ?? 'spec').replace(/\.spec\.[jt]s$/, '');
  return `${file.replace(/\W+/g, '_').slice(0, 40)}_${randomBytes(4).toString('hex')}`;
}

function withDatabase(uri: string, name: string): string {
  return uri.replace(/^(mongodb(?:\+srv)?:\/\/[^/?]+)(?:\/[^?]*)?/, `$1/${name}`);
}

function sayKept(uri: string): void {
  const hint = process.env['MONGODB_URI'] ? '' : ' until this run ends; set MONGODB_URI to look into it afterwards';
  process.stderr.write(`Kept ${uri}${hint}\n`);
}
