import { spawn } from 'node:child_process';

/** Long enough for a slow connection to begin, short enough for a machine without one. */
const SILENCE_MS = 15_000;

const PROGRAM = `
require('mongodb-memory-server').MongoBinary.getPath().then(
  (path) => console.log('mongod=' + path),
  (error) => { console.error(error.message); process.exit(1); });
`;

/**
 * mongodb-memory-server's own download, in a process that is ended when it has said nothing for a while: inside this
 * one, a connection that hangs could not be given up. While it loads, it reports progress every two seconds.
 */
export function downloadedPath(): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['-e', PROGRAM], {
      cwd: __dirname,
      env: { MONGOMS_MAX_RETRIES: '1', ...process.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const giveUp = setTimeout(() => child.kill('SIGKILL'), SILENCE_MS);
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk;
      giveUp.refresh();
    });
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk));
    child.on('error', reject);
    child.on('close', () => {
      clearTimeout(giveUp);
      const path = /^mongod=(.+)$/m.exec(output)?.[1];
      if (path) resolve(path);
      else reject(new Error(errors.trim() || `no answer for ${SILENCE_MS / 1_000} seconds`));
    });
  });
}
