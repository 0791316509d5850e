/** Commands in a project that has the tarball and all tools installed. */
export interface Check {
  readonly title: string;
  readonly commands: readonly (readonly string[])[];
  /** What the last command has to print. */
  readonly prints?: string;
}

const DONE = 'ada@example.org FINISHED';

const STRICT = [
  ['--noEmit', '--declaration', '--strict', '--skipLibCheck', '--exactOptionalPropertyTypes', '--target', 'es2022'],
  ['--lib', 'es2023,esnext.decorators', '--types', 'node'],
].flat();

const COMPILERS = { '5.4': 'ts54', '5.9': 'ts59', '7': 'typescript' };
const RESOLUTIONS = { node16: 'node16', nodenext: 'nodenext', bundler: 'esnext' };

/** Nest has legacy decorators only, so its entry is checked with those. */
const DECORATORS = {
  legacy: [
    '--experimentalDecorators',
    'types/consumer.ts',
    'types/declared.ts',
    'types/subpaths.ts',
    'types/entries.ts',
  ],
  standard: ['types/consumer.ts', 'types/declared.ts', 'types/subpaths.ts'],
};

const types = Object.entries(COMPILERS).flatMap(([version, compiler]) =>
  Object.entries(RESOLUTIONS).flatMap(([moduleResolution, module]) =>
    Object.entries(DECORATORS).map(([decorators, files]) => ({
      title: `TypeScript ${version}, ${moduleResolution}, ${decorators} decorators`,
      commands: [
        [
          'node',
          `node_modules/${compiler}/bin/tsc`,
          ...STRICT,
          '--module',
          module,
          '--moduleResolution',
          moduleResolution,
          ...files,
        ],
      ],
    })),
  ),
);

const bundled = (format: string) => [
  'npx',
  'esbuild',
  'main.mjs',
  '--bundle',
  '--platform=node',
  `--format=${format}`,
  '--log-level=error',
];

export const CHECKS: readonly Check[] = [
  { title: 'each entry, imported and required', commands: [['node', 'subpaths.mjs']] },
  { title: 'the command', commands: [['npx', 'mongoose-task-queue', '--help']], prints: 'doctor' },
  { title: 'Node', commands: [['node', 'main.mjs']], prints: DONE },
  {
    title: 'esbuild, all in one file',
    commands: [
      [...bundled('cjs'), '--outfile=out/all.cjs'],
      ['node', 'out/all.cjs'],
    ],
    prints: DONE,
  },
  {
    title: 'esbuild, packages outside',
    commands: [
      [...bundled('esm'), '--packages=external', '--outfile=out/outside.mjs'],
      ['node', 'out/outside.mjs'],
    ],
    prints: DONE,
  },
  {
    title: 'Vite, for servers',
    commands: [
      ['npx', 'vite', 'build', '--ssr', 'main.mjs', '--outDir', 'out/vite', '--logLevel', 'error'],
      ['node', 'out/vite/main.mjs'],
    ],
    prints: DONE,
  },
  { title: 'Jest', commands: [['npx', 'jest', '--config', 'jest.config.json']], prints: '1 passed' },
  { title: 'Vitest', commands: [['npx', 'vitest', 'run', '--globals']], prints: '1 passed' },
  ...types,
];

/** It is large, so it is asked for by name. */
export const NEXT: readonly Check[] = [
  { title: 'Next', commands: [['npx', 'next', 'build', 'next']], prints: '/tasks' },
];
