import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import packageJson from '../../package.json';

const run = promisify(execFile);
const root = resolve(__dirname, '../..');

/** Of these the installed version is taken: it is the one that the specs ran with. */
const OURS = [
  'mongoose',
  'esbuild',
  'jest',
  '@types/node',
  '@nestjs/common',
  '@nestjs/core',
  '@nestjs/mongoose',
  'rxjs',
];
const OURS_TOO = ['prom-client', '@opentelemetry/api', 'typescript', 'ts59'];

/** Tools that this project does not use itself. */
const TOOLS = ['ts54@npm:typescript@5.4.5', 'vite@7.3.8', 'vitest@3.2.4'];
const NEXT_TOOLS = ['next@16.4.6', 'react@19.2.0', 'react-dom@19.2.0'];

/** Packs the sources in a copy, which builds there, and resolves to the tarball. */
export async function pack(folder: string): Promise<string> {
  const clone = await mkdtemp(join(tmpdir(), 'clone-'));
  const names = packageJson.files.filter((name) => name !== 'dist' && !name.startsWith('!'));
  for (const name of [...names, 'README.md', 'LICENSE', 'package.json', 'tsconfig.json', 'tsconfig.build.json'])
    await cp(join(root, name), join(clone, name), { recursive: true });
  await symlink(join(root, 'node_modules'), join(clone, 'node_modules'));
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: clone });
  await rm(clone, { recursive: true, force: true });

  return join(folder, stdout.trim());
}

/** Makes a project of the folder, and installs the tarball and the tools in it. */
export async function install(folder: string, tarball: string, isWithNext: boolean): Promise<void> {
  await cp(join(__dirname, 'project'), folder, { recursive: true });
  await cp(join(root, 'spec/support/consumer'), join(folder, 'types'), { recursive: true });
  if (!isWithNext) await rm(join(folder, 'next'), { recursive: true });
  await mkdir(join(folder, 'node_modules'));
  const tools = [
    ...(await Promise.all([...OURS, ...OURS_TOO].map(pinned))),
    ...TOOLS,
    ...(isWithNext ? NEXT_TOOLS : []),
  ];
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'release', private: true }));
  await run('npm', ['install', '--silent', '--no-audit', '--no-fund', tarball, ...tools], { cwd: folder });
}

async function pinned(name: string): Promise<string> {
  const installed = JSON.parse(await readFile(join(root, 'node_modules', name, 'package.json'), 'utf8')) as {
    name: string;
    version: string;
  };

  return name === installed.name
    ? `${name}@${installed.version}`
    : `${name}@npm:${installed.name}@${installed.version}`;
}
