/** The licences of what is bundled into the page, as text. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const HEADING = 'The page of the dashboard contains the following packages, each under its own licence.';

/** @param {string} root @param {import('esbuild').Metafile} metafile */
export async function notices(root, metafile) {
  const bundled = new Set(
    Object.keys(metafile.inputs).flatMap((path) => {
      const found = /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules\/)/.exec(path);
      return found ? [found[1]] : [];
    }),
  );
  // Its author publishes it bundled into the one above.
  if (bundled.has('@dagrejs/dagre')) bundled.add('@dagrejs/graphlib');

  const texts = await Promise.all([...bundled].toSorted().map((name) => licenceOf(join(root, 'node_modules', name))));
  return [HEADING, ...texts].join(`\n\n${'-'.repeat(72)}\n\n`);
}

async function licenceOf(folder) {
  const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const file = (await readdir(folder)).find((one) => /^licen[cs]e/i.test(one));
  if (!file) throw new Error(`${name} has no licence file: THIRD-PARTY-NOTICES cannot be written.`);

  return `${name} ${version} (${license})\n\n${(await readFile(join(folder, file), 'utf8')).trim()}\n`;
}
