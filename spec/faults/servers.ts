import { join } from 'node:path';
import { eventually } from '../support/eventually';
import type { Mode } from './modes';
import { Server } from './server';

const SET = 'soak';
const ELECTION_MS = 60_000;
/** The server gives up a primary after this time without an answer. */
const ELECTION_TIMEOUT_MS = 2_000;

/** The server of a run, or the members of its replica set. */
export interface Servers {
  readonly all: readonly Server[];
  /** For programs and for the soak itself. */
  readonly uri: string;
  /** Waits for a server that takes writes. */
  primary(): Promise<Server>;
  /** All are up, and one takes writes. */
  heal(): Promise<void>;
  stop(): Promise<void>;
}

export async function startServers({ servers: kind }: Mode, folder: string): Promise<Servers> {
  const count = kind === 'set of three' ? 3 : 1;
  const isSet = kind !== 'standalone';
  const all = await Promise.all(
    Array.from({ length: count }, (_, index) => Server.start(join(folder, `server${index}`), isSet ? SET : undefined)),
  );
  if (isSet) await initiate(all);
  const primary = () => findPrimary(all, isSet);
  await primary();

  return {
    all,
    // A set of one is named by its only member, so that a proxy may stand in between.
    uri: `mongodb://${all.map(({ host }) => host).join(',')}/soak?${count > 1 ? `replicaSet=${SET}` : 'directConnection=true'}`,
    primary,
    async heal() {
      for (const server of all) {
        server.thaw();
        if (!server.isRunning) await server.start();
      }
      await primary();
    },
    async stop() {
      await Promise.all(all.map((server) => server.kill()));
    },
  };
}

async function initiate(all: readonly Server[]): Promise<void> {
  const members = all.map(({ host }, _id) => ({ _id, host }));
  const settings = {
    electionTimeoutMillis: ELECTION_TIMEOUT_MS,
    heartbeatIntervalMillis: 500,
    catchUpTimeoutMillis: 0,
  };
  await all[0]!.command({ replSetInitiate: { _id: SET, members, settings } });
}

async function findPrimary(all: readonly Server[], isSet: boolean): Promise<Server> {
  return eventually(
    async () => {
      for (const server of all) if (server.isRunning && (await isPrimary(server, isSet))) return server;
      throw new Error('no member of the set takes writes');
    },
    { timeoutMs: ELECTION_MS },
  );
}

async function isPrimary(server: Server, isSet: boolean): Promise<boolean> {
  if (!isSet) return server.command({ ping: 1 }).then(() => true);
  const hello = await server.command({ hello: 1 }).catch(() => null);

  return hello?.['isWritablePrimary'] === true;
}
