import type { mongo } from 'mongoose';
import { UnsupportedServerError } from '../errors';
import { answered } from './time-limit';

/** The wire version of MongoDB 6.0, the first whose partial indexes accept `$in`. */
const OLDEST_WIRE_VERSION = 17;

/** What a server answers to `hello`. */
export interface Hello {
  localTime: Date;
  maxWireVersion: number;
  setName?: string;
  msg?: string;
  /** Every MongoDB tells it since 4.4. */
  topologyVersion?: unknown;
}

/** @throws {UnsupportedServerError} for a server that pretends to be a MongoDB and cannot do what the queue needs. */
export async function askHello(client: mongo.MongoClient): Promise<Hello> {
  const ask = <Answer>(command: mongo.Document) =>
    answered(client.db('admin').command(command, { readPreference: 'primary' })) as unknown as Promise<Answer>;

  const hello = await ask<Hello>({ hello: 1 });
  if (hello.topologyVersion === undefined) requireMongod(await ask<object>({ buildInfo: 1 }).catch(() => ({})));

  return hello;
}

/** @throws {UnsupportedServerError} for a server older than MongoDB 6.0. */
export function requireVersion({ maxWireVersion }: Hello): void {
  if (maxWireVersion >= OLDEST_WIRE_VERSION) return;
  throw new UnsupportedServerError(
    `Expected MongoDB 6.0 or newer, got a server with wire version ${maxWireVersion} (6.0 has ${OLDEST_WIRE_VERSION}). Upgrade the server.`,
  );
}

// FerretDB 1 tells the wire version of MongoDB 7 and takes plain inserts, but has neither partial indexes nor updates by pipelines. Without
// this, pushed tasks would be stored which nothing can claim.
function requireMongod({ ferretdbVersion }: { ferretdbVersion?: unknown }): void {
  if (typeof ferretdbVersion !== 'string' || !/^v?[01]\./.test(ferretdbVersion)) return;
  throw new UnsupportedServerError(
    `Expected a server that can do what MongoDB 6.0 can, got FerretDB ${ferretdbVersion}, which has no partial indexes and no updates by pipelines. Use MongoDB 6.0 or newer.`,
  );
}
