import { once } from 'node:events';
import { MongoMemoryServer } from 'mongodb-memory-server';
import { mongo } from 'mongoose';
import { mongodBinary } from './binary';
import { becomePrimary, SET_NAME } from './replica-set';

export { binaryPath } from './binary';

export interface StartOptions {
  /** A replica set of one member, for transactions and change streams. */
  replicaSet?: boolean;
  /** A port and a folder that exists make a server that can be started again on its own data. */
  port?: number;
  dbPath?: string;
  /** What cannot be set while it runs, for example `{ ttlMonitorSleepSecs: 1 }`. */
  parameters?: Record<string, string | number>;
}

export interface Mongod {
  readonly uri: string;
  /** Ends the server. Its data goes too, unless the folder was given. A server from MONGODB_URI is left alone. */
  stop(): Promise<void>;
  /** SIGKILL: what a crash of the machine's process leaves behind, for a next start on the same folder. */
  kill(): Promise<void>;
}

/**
 * A server for specs, examples and benchmarks: the one in MONGODB_URI, or a new one from the first binary found (see
 * `binary.ts`), which ends with this process. A port, a folder or parameters ask for a new one in any case.
 */
export async function startMongod({
  replicaSet = false,
  port,
  dbPath,
  parameters,
}: StartOptions = {}): Promise<Mongod> {
  const given = process.env['MONGODB_URI'];
  if (given && port === undefined && dbPath === undefined && !parameters) return runningServer(given, replicaSet);

  const { path, version } = await mongodBinary();
  const server = await MongoMemoryServer.create({
    binary: { systemBinary: path, version },
    instance: {
      // Below version 7 the default here would be an engine without transactions and without a journal.
      storageEngine: 'wiredTiger',
      ...(replicaSet && { replSet: SET_NAME }),
      ...(port !== undefined && { port, portGeneration: false }),
      ...(dbPath !== undefined && { dbPath }),
      args: Object.entries(parameters ?? {}).flatMap(([name, value]) => ['--setParameter', `${name}=${value}`]),
    },
  });
  const host = new URL(server.getUri()).host;
  if (replicaSet) await becomePrimary(host);
  const child = server.instanceInfo?.instance.mongodProcess;

  return {
    uri: `mongodb://${host}/${replicaSet ? `?replicaSet=${SET_NAME}` : ''}`,
    async stop() {
      await server.stop();
    },
    async kill() {
      if (child?.kill('SIGKILL')) await once(child, 'exit');
      await server.stop();
    },
  };
}

async function runningServer(uri: string, replicaSet: boolean): Promise<Mongod> {
  const client = await mongo.MongoClient.connect(uri, { serverSelectionTimeoutMS: 5_000 });
  try {
    const { setName } = await client.db('admin').command({ hello: 1 });
    if (replicaSet && !setName) throw new Error('MONGODB_URI names a standalone server, a replica set is needed here.');
  } finally {
    await client.close();
  }
  return {
    uri,
    async stop() {},
    async kill() {
      throw new Error('The server in MONGODB_URI is not ours to kill.');
    },
  };
}
