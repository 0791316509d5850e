import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { MongoMemoryServer } from 'mongodb-memory-server';
import { mongo } from 'mongoose';
import { mongodBinary } from './binary';
import { ADMINISTRATOR, createAdministrator, lockedFolder } from './auth';
import { becomePrimary, SET_NAME } from './replica-set';

export { binaryPath } from './binary';

/** A busy machine may take a minute for what takes a second on an idle one. */
const LAUNCH_TIMEOUT_MS = 120_000;

export interface StartOptions {
  /** A replica set of one member, for transactions and change streams. */
  replicaSet?: boolean;
  /** A port and a folder that exists make a server that can be started again on its own data. */
  port?: number;
  dbPath?: string;
  /** Whether users must log in: as the administrator that `uri` names, or as those he makes. */
  auth?: boolean;
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
  dbPath: givenPath,
  auth = false,
  parameters,
}: StartOptions = {}): Promise<Mongod> {
  const given = process.env['MONGODB_URI'];
  if (given && port === undefined && givenPath === undefined && !auth && !parameters)
    return runningServer(given, replicaSet);

  const { path, version } = await mongodBinary();
  const locked = auth ? await lockedFolder() : null;
  const dbPath = locked?.path ?? givenPath;
  const server = await MongoMemoryServer.create({
    binary: { systemBinary: path, version },
    ...(locked && { auth: { enable: true } }),
    instance: {
      // Below version 7 the default here would be an engine without transactions and without a journal.
      storageEngine: 'wiredTiger',
      launchTimeout: LAUNCH_TIMEOUT_MS,
      ...(replicaSet && { replSet: SET_NAME }),
      ...(port !== undefined && { port, portGeneration: false }),
      ...(dbPath !== undefined && { dbPath }),
      ...(locked && { keyfileLocation: locked.keyFile }),
      args: Object.entries(parameters ?? {}).flatMap(([name, value]) => ['--setParameter', `${name}=${value}`]),
    },
  });
  const host = new URL(server.getUri()).host;
  if (replicaSet) await becomePrimary(host);
  if (locked) await createAdministrator(host);
  const child = server.instanceInfo?.instance.mongodProcess;

  return {
    uri: uriOf(host, replicaSet, auth),
    async stop() {
      // It would not take the command from who has not logged in.
      if (locked && child?.kill('SIGKILL')) await once(child, 'exit');
      await server.stop();
      if (locked) await rm(locked.path, { recursive: true });
    },
    async kill() {
      if (child?.kill('SIGKILL')) await once(child, 'exit');
      await server.stop();
    },
  };
}

function uriOf(host: string, replicaSet: boolean, auth: boolean): string {
  const options = [replicaSet ? `replicaSet=${SET_NAME}` : [], auth ? 'authSource=admin' : []].flat().join('&');

  return `mongodb://${auth ? `${ADMINISTRATOR}:${ADMINISTRATOR}@` : ''}${host}/${options && `?${options}`}`;
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
