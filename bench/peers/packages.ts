import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import type { Peer } from './peer';

const INSTALLED = resolve(__dirname, '.installed');

/** Where the packages of a peer are: a folder of its own, as two of them need different drivers. */
export function folderOf({ packages }: Peer): string {
  return join(INSTALLED, Object.keys(packages)[0]!.replaceAll('/', '+'));
}

/** Requires modules from there. Throws if anything is missing or of another version, with how to get it. */
export function loader(peer: Peer): <Module>(name: string) => Module {
  const folder = folderOf(peer);
  const howTo = `npx tsx bench/peers/install.ts ${Object.keys(peer.packages)[0]}`;
  for (const [name, version] of Object.entries(peer.packages)) {
    const installed = versionIn(folder, name);
    if (installed !== version) throw new Error(`${name} ${version} is not installed: ${howTo}`);
  }
  const load = createRequire(join(folder, 'package.json'));

  return <Module>(name: string) => load(name) as Module;
}

function versionIn(folder: string, name: string): string | null {
  try {
    const manifest = readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8');
    return (JSON.parse(manifest) as { version: string }).version;
  } catch {
    return null;
  }
}
