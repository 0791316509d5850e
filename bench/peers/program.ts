import { execFile, spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const START_MS = 30_000;
const STOP_MS = 5_000;

/** The program on the PATH or in one of some more folders. Throws if there is none, with how to get it. */
export function find(program: string, howTo: string, more: readonly string[] = []): string {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...more].filter(Boolean);
  const found = folders.map((folder) => join(folder, program)).find(isExecutable);
  if (!found) throw new Error(`there is no ${program} on this machine: ${howTo}`);

  return found;
}

/** Starts a server that works in that folder and ends with this process. Returns what ends it and removes the folder. */
export async function start(
  binary: string,
  parameters: readonly string[],
  options: SpawnOptions & { cwd: string },
): Promise<() => Promise<void>> {
  const child = spawn(binary, parameters, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise((resolve) => child.once('exit', resolve).once('error', resolve));
  const kill = () => child.kill('SIGINT');
  const exit = () => process.exit(1);
  process.once('exit', kill).once('SIGTERM', exit);
  const stop = async () => {
    // PostgreSQL waits for its clients after the first one, and ends them after the second.
    child.kill('SIGTERM');
    const timeout = setTimeout(kill, STOP_MS);
    await exited;
    clearTimeout(timeout);
    process.off('exit', kill).off('SIGTERM', exit);
    rmSync(options.cwd, { recursive: true, force: true });
  };
  try {
    await ready(child);
  } catch (error) {
    await stop();
    throw error;
  }

  return stop;
}

export async function versionOf(binary: string): Promise<string> {
  const { stdout } = await promisify(execFile)(binary, ['--version']);

  return /\d+(\.\d+)+/.exec(stdout)?.[0] ?? 'of unknown version';
}

export async function freePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');

  return `${port}`;
}

/** Redis and PostgreSQL both write that they are ready to accept connections. */
function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let written = '';
    const refuse = () => reject(new Error(`${child.spawnfile} does not start: ${written.trim().split('\n').at(-1)}`));
    const timeout = setTimeout(refuse, START_MS);
    child.once('exit', refuse).once('error', reject);
    // Read to the end, or a full pipe would stop the server.
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        written = (written + text).slice(-4_096);
        if (!/ready to accept connections/i.test(written)) return;
        clearTimeout(timeout);
        resolve();
      });
    }
  });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
