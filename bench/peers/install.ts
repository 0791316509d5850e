import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { PEERS } from './index';
import { folderOf } from './packages';

/** `npx tsx bench/peers/install.ts` installs the packages of all peers; with names of packages, those of some. */
function main(names: readonly string[]): void {
  for (const peer of PEERS) {
    if (names.length > 0 && !names.some((name) => name in peer.packages)) continue;

    const folder = folderOf(peer);
    const packages = Object.entries(peer.packages).map(([name, version]) => `${name}@${version}`);
    console.log(`${peer.name}: ${packages.join(' ')}`);
    mkdirSync(folder, { recursive: true });
    const options = ['--prefix', folder, '--save-exact', '--no-audit', '--no-fund'];
    const shell = process.platform === 'win32';
    const { status } = spawnSync('npm', ['install', ...options, ...packages], { stdio: 'inherit', shell });
    if (status !== 0) process.exitCode = 1;
  }
}

main(process.argv.slice(2));
