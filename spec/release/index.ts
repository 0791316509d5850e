import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { startMongod } from '../support/mongod';
import { CHECKS, type Check, NEXT } from './checks';
import { install, pack } from './install';

const run = promisify(execFile);

/** `npm run release:check`, with `-- --next` also in a project of Next: what the tarball is to the tools of its users. */
async function main(): Promise<number> {
  const { values } = parseArgs({ options: { next: { type: 'boolean', default: false } } });
  const folder = await mkdtemp(join(tmpdir(), 'release-'));
  const mongod = await startMongod();
  try {
    const tarball = await timed('npm pack', () => pack(folder));
    await timed('npm install', () => install(folder, tarball, values.next));
    const checks = values.next ? [...CHECKS, ...NEXT] : CHECKS;
    let failed = 0;
    for (const check of checks) failed += (await isGood(check, folder, mongod.uri)) ? 0 : 1;
    console.log(`${checks.length - failed} passed, ${failed} failed`);

    return failed > 0 ? 1 : 0;
  } finally {
    await mongod.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function isGood({ title, commands, prints }: Check, cwd: string, uri: string): Promise<boolean> {
  try {
    await timed(title, async () => {
      let printed = '';
      for (const [command, ...parameters] of commands) {
        const env = { ...process.env, MONGODB_URI: uri, NODE_OPTIONS: '--experimental-vm-modules --no-warnings' };
        const { stdout, stderr } = await run(command!, parameters, { cwd, env });
        printed = stdout + stderr;
      }
      if (prints && !printed.includes(prints))
        throw new Error(`It should have printed ${prints}, it printed: ${printed}`);
    });
    return true;
  } catch (error) {
    const { message, stdout = '', stderr = '' } = error as Error & { stdout?: string; stderr?: string };
    console.log([message, stdout, stderr].join('\n').trim());
    return false;
  }
}

/** Does it, and prints how long it took. */
async function timed<T>(title: string, act: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  let end = 'FAILED';
  try {
    const result = await act();
    end = 'ok';
    return result;
  } finally {
    console.log(`${end.padEnd(6)} ${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(6)} s  ${title}`);
  }
}

void main().then((code) => process.exit(code));
