import { execFile } from 'node:child_process';
import { chownSync, mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Terms } from './peer';
import { find, freePort, start, versionOf } from './program';

export type ServerKind = 'redis-server' | 'postgres';

interface Server {
  readonly url: string;
  readonly version: string;
  stop(): Promise<void>;
}

/** Where Debian's package has its programs, which are not on the PATH. */
const DEBIAN_POSTGRES = '/usr/lib/postgresql';

const starts: Record<ServerKind, (onDisk: Terms['onDisk']) => Promise<Server>> = {
  'redis-server': startRedis,
  postgres: startPostgres,
};

/** Servers other than MongoDB's, of which each is started when it is first asked for. */
export class Servers {
  readonly #running = new Map<ServerKind, Server>();

  constructor(private readonly onDisk: Terms['onDisk']) {}

  async urlOf(kind: ServerKind): Promise<string> {
    const server = this.#running.get(kind) ?? (await starts[kind](this.onDisk));
    this.#running.set(kind, server);

    return server.url;
  }

  get versions(): string[] {
    return [...this.#running].map(([kind, { version }]) => `${kind} ${version}`);
  }

  async stop(): Promise<void> {
    for (const server of this.#running.values()) await server.stop();
  }
}

const APPEND: Record<Terms['onDisk'], readonly string[]> = {
  usual: [],
  'within a second': ['--appendonly', 'yes', '--appendfsync', 'everysec'],
  before: ['--appendonly', 'yes', '--appendfsync', 'always'],
};

/** Empty. By its default settings it has no append-only file. */
async function startRedis(onDisk: Terms['onDisk']): Promise<Server> {
  const binary = find('redis-server', 'apt-get install redis-server');
  const port = await freePort();
  const cwd = mkdtempSync(join(tmpdir(), 'bench-redis-'));
  const stop = await start(binary, ['--port', port, '--bind', '127.0.0.1', '--dir', cwd, ...APPEND[onDisk]], { cwd });

  return { url: `redis://127.0.0.1:${port}`, version: await versionOf(binary), stop };
}

/** Empty, and with its default settings: a commit is on the disk before it is acknowledged. */
async function startPostgres(): Promise<Server> {
  const [initdb, binary] = ['initdb', 'postgres'].map((program) =>
    find(program, 'apt-get install postgresql', debianFolders()),
  ) as [string, string];
  const owner = await unprivileged();
  const port = await freePort();
  const cwd = mkdtempSync(join(tmpdir(), 'bench-postgres-'));
  if (owner) chownSync(cwd, owner.uid, owner.gid);
  const options = { cwd, ...owner };
  await promisify(execFile)(initdb, ['-D', cwd, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync'], options);
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories='].flatMap((setting) => ['-c', setting]);
  const stop = await start(binary, ['-D', cwd, '-p', port, ...settings], options);

  return { url: `postgres://postgres@127.0.0.1:${port}/postgres`, version: await versionOf(binary), stop };
}

function debianFolders(): string[] {
  try {
    return readdirSync(DEBIAN_POSTGRES).map((version) => join(DEBIAN_POSTGRES, version, 'bin'));
  } catch {
    return [];
  }
}

/** PostgreSQL refuses to run as root. Its package makes a user for it. */
async function unprivileged(): Promise<{ uid: number; gid: number } | null> {
  if (process.getuid?.() !== 0) return null;
  const id = async (kind: '-u' | '-g') => Number((await promisify(execFile)('id', [kind, 'postgres'])).stdout);

  return { uid: await id('-u'), gid: await id('-g') };
}
