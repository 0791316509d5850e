/** The licences of what a bundle contains, as text. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * @param {string} bundle What contains them: 'The page'.
 * @param {string} root
 * @param {import('esbuild').Metafile} metafile
 * @param {Record<string, string>} published Packages that are published inside another one, by that one.
 */
export async function notices(bundle, root, metafile, published = {}) {
  const heading = `${bundle} contains the following packages, each under its own licence.`;
  // Two versions of a package may be there: the folder tells which one is bundled.
  const folders = new Set(
    Object.keys(metafile.inputs).flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path) ?? []),
  );
  for (const [one, inside] of Object.entries(published))
    if (folders.has(`node_modules/${one}`)) folders.add(`node_modules/${inside}`);
  const texts = await Promise.all([...folders].toSorted().map((folder) => licenceOf(join(root, folder))));
  return [heading, ...texts].join(`\n\n${'-'.repeat(72)}\n\n`);
}

async function licenceOf(folder) {
  const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const file = (await readdir(folder)).find((one) => /^licen[cs]e/i.test(one));
  if (!file) throw new Error(`${name} has no licence file: THIRD-PARTY-NOTICES cannot be written.`);

  return `${name} ${version} (${license})\n\n${(await readFile(join(folder, file), 'utf8')).trim()}\n`;
}
