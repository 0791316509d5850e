/** Bundles the page into `dist/dashboard/page`, or the folder that is named: hashed assets, the HTML that names them, and a manifest for the server. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { notices } from '../../notices.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../../..');
const target = resolve(root, process.argv[2] ?? 'dist/dashboard/page');

const shared = {
  bundle: true,
  minify: true,
  write: false,
  metafile: true,
  legalComments: 'none',
  target: ['chrome111', 'firefox115', 'safari16.4'],
  outdir: target,
  entryNames: '[name]-[hash]',
  chunkNames: '[name]-[hash]',
  assetNames: '[name]-[hash]',
  logLevel: 'warning',
};

const page = await build({
  ...shared,
  entryPoints: [join(here, 'main.tsx')],
  format: 'esm',
  splitting: true,
  tsconfig: join(here, 'tsconfig.json'),
});
// The theme is set by a script of its own, which runs before anything is painted.
const early = await build({
  ...shared,
  entryPoints: [join(here, 'theme.ts'), join(here, 'icon.svg')],
  format: 'iife',
  loader: { '.svg': 'copy' },
});

const files = [...page.outputFiles, ...early.outputFiles].map(({ path, contents }) => ({
  name: basename(path),
  contents,
}));
const html = (await readFile(join(here, 'index.html'), 'utf8')).replaceAll(/\{(\w+)\.(\w+)\}/g, (_, name, ending) => {
  const file = files.find((one) => one.name.startsWith(`${name}-`) && one.name.endsWith(`.${ending}`));
  if (!file) throw new Error(`index.html names ${name}.${ending}, which was not built.`);
  return file.name;
});

await rm(target, { recursive: true, force: true });
await mkdir(target, { recursive: true });
for (const { name, contents } of files) await writeFile(join(target, name), contents);
await writeFile(join(target, 'index.html'), html);
await writeFile(
  join(target, 'manifest.json'),
  `${JSON.stringify({ page: 'index.html', assets: files.map(({ name }) => name).sort((one, other) => (one < other ? -1 : 1)) }, null, 2)}\n`,
);
// The graph's layout is published with this one bundled into it.
const published = { '@dagrejs/dagre': '@dagrejs/graphlib' };
const texts = await notices('The page of the dashboard', root, page.metafile, published);
await writeFile(join(target, 'THIRD-PARTY-NOTICES'), texts);
