/** The licences of what is bundled into the command line, as text. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const HEADING = 'The command line contains the following packages, each under its own licence.';

/** @param {string} root @param {import('esbuild').Metafile} metafile */
export async function notices(root, metafile) {
  // Two versions of a package may be there: the folder tells which one is bundled.
  const folders = new Set(
    Object.keys(metafile.inputs).flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path) ?? []),
  );
  const texts = await Promise.all([...folders].toSorted().map((folder) => licenceOf(join(root, folder))));
  return [HEADING, ...texts].join(`\n\n${'-'.repeat(72)}\n\n`);
}

async function licenceOf(folder) {
  const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const file = (await readdir(folder)).find((one) => /^licen[cs]e/i.test(one));
  if (!file) throw new Error(`${name} has no licence file: THIRD-PARTY-NOTICES cannot be written.`);

  return `${name} ${version} (${license})\n\n${(await readFile(join(folder, file), 'utf8')).trim()}\n`;
}
