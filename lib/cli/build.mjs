/** Bundles the command line into `dist/cli`, or the folder that is named. What it needs for its tables is in it; Mongoose and the library are not. */
import { writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { notices } from '../notices.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../..');
const target = resolve(root, process.argv[2] ?? 'dist/cli');

/** Models are made by the library that a program loads: a second copy of it would not know them. */
const outside = {
  name: 'the library stays outside',
  setup(bundle) {
    bundle.onResolve({ filter: /^\./ }, ({ path, resolveDir }) => {
      const to = relative(join(root, 'lib'), resolve(resolveDir, path));
      const isOwn = to.startsWith('..') || to.startsWith(`cli${sep}`) || !resolveDir.startsWith(here);
      return isOwn ? undefined : { path: `../${to.replaceAll(sep, '/')}.js`, external: true };
    });
  },
};

const { metafile } = await build({
  entryPoints: [join(here, 'main.ts')],
  outfile: join(target, 'main.js'),
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20.19',
  external: ['mongoose'],
  plugins: [outside],
  banner: { js: '#!/usr/bin/env node' },
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
});
await writeFile(join(target, 'THIRD-PARTY-NOTICES'), await notices('The command line', root, metafile));
