import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import packageJson from '../package.json';
import { useDatabase } from './support/database';

const root = resolve(__dirname, '..');
const modules = join(root, 'node_modules');

/** What a package is made of. */
const SOURCES = [
  ...packageJson.files.filter((name) => name !== 'dist' && !name.startsWith('!')),
  'README.md',
  'LICENSE',
].concat(['package.json', 'tsconfig.json', 'tsconfig.build.json']);

const OPTIONAL = Object.keys(packageJson.peerDependenciesMeta);

const FLAGS = [
  ['--noEmit', '--declaration', '--strict', '--skipLibCheck', '--exactOptionalPropertyTypes', '--target', 'es2022'],
  ['--module', 'nodenext', '--lib', 'es2023,esnext.decorators', '--types', 'node'],
].flat();

/** The packed package, installed in a project of its own that has nothing but what the package declares. */
describe.each(['mongoose', 'mongoose8'])('the packed package, beside %s', (mongoose) => {
  const database = useDatabase();
  let project: string;

  beforeAll(async () => {
    project = await mkdtemp(join(tmpdir(), 'consumer-'));
    // As on a fresh clone: what is packed is built then. Not here, where other specs need what is built.
    const clone = await mkdtemp(join(tmpdir(), 'clone-'));
    for (const name of SOURCES) await cp(join(root, name), join(clone, name), { recursive: true });
    await symlink(modules, join(clone, 'node_modules'));
    const packed = await run('npm', ['pack', '--silent', '--pack-destination', project], clone);
    await rm(clone, { recursive: true, force: true });

    const installed = join(project, 'node_modules', packageJson.name);
    await mkdir(installed, { recursive: true });
    await run('tar', ['-xzf', packed.trim(), '-C', installed, '--strip-components', '1'], project);
    const peers = Object.keys(packageJson.peerDependencies).filter((name) => !OPTIONAL.includes(name));
    for (const name of [...Object.keys(packageJson.dependencies), ...peers, '@types/node']) await link(name);
    await cp(join(__dirname, 'support/consumer'), project, { recursive: true });
  });

  afterAll(() => rm(project, { recursive: true, force: true }));

  async function link(name: string): Promise<void> {
    await mkdir(dirname(join(project, 'node_modules', name)), { recursive: true });
    await symlink(join(modules, name === 'mongoose' ? mongoose : name), join(project, 'node_modules', name));
  }

  /** Runs a command in the project as if these had been installed as well. */
  async function runWith(peers: readonly string[], command: string, parameters: string[]): Promise<string> {
    await Promise.all(peers.map(link));
    try {
      return await run(command, parameters, project);
    } finally {
      await Promise.all(peers.map((name) => rm(join(project, 'node_modules', name))));
    }
  }

  it('works when it is required', async () => {
    expect(await run('node', ['consumer.cjs', database.uri], project)).toBe('ada@example.org FINISHED\n');
  });

  it('works when it is imported, as the same module', async () => {
    expect(await run('node', ['consumer.mjs', database.uri], project)).toBe('ada@example.org FINISHED true\n');
  });

  it.each(['quick-start.mjs', 'quick-start.cjs'])(
    'runs the JavaScript of the page about getting started: %s',
    async (name) => {
      const page = await readFile(join(root, 'docs/getting-started.md'), 'utf8');
      const [, code] = new RegExp('```js\\n// ' + name + '\\n([^]*?)```').exec(page)!;
      await writeFile(join(project, name), code!);

      expect(await run('node', [name], project, { MONGODB_URI: database.uri })).toBe('ada@example.org FINISHED\n');
    },
  );

  it('has each entry as one module, imported and required', async () => {
    await cp(join(__dirname, 'release/project/subpaths.mjs'), join(project, 'subpaths.mjs'));
    const entries = (await runWith(OPTIONAL, 'node', ['subpaths.mjs'])).trim().split('\n');

    expect(entries).toHaveLength(Object.keys(packageJson.exports).length - 1);
  });

  it('has a command', async () => {
    const main = join(project, 'node_modules', packageJson.name, packageJson.bin[packageJson.name as never]);

    expect(await run('node', [main, '--version'], project)).toBe(`${packageJson.version}\n`);
  });

  it('works in a bundle of one file', async () => {
    const bundle = ['consumer.mjs', '--bundle', '--platform=node', '--format=esm', '--packages=external'];
    const whole = ['consumer.cjs', '--bundle', '--platform=node', '--log-level=error'];
    await run(join(modules, '.bin/esbuild'), [...bundle, '--outfile=outside.mjs'], project);
    await run(join(modules, '.bin/esbuild'), [...whole, '--outfile=whole.cjs'], project);

    expect(await run('node', ['outside.mjs', database.uri], project)).toBe('ada@example.org FINISHED true\n');
    expect(await run('node', ['whole.cjs', database.uri], project)).toBe('ada@example.org FINISHED\n');
  });

  it('loads nothing of its other entries, nor what they need', async () => {
    const loaded = `require('${packageJson.name}'); console.log(Object.keys(require.cache).join('\\n'))`;
    const files = (await runWith(OPTIONAL, 'node', ['-e', loaded])).split('\n');

    expect(files.filter((file) => file.includes(`${packageJson.name}/dist/index.js`))).toHaveLength(1);
    expect(files.filter((file) => /prom-client|opentelemetry|nestjs|dist.metrics/.test(file))).toEqual([]);
  });

  it.each([
    ['metrics', 'prom-client'],
    ['opentelemetry', '@opentelemetry/api'],
    ['nestjs', '@nestjs/common'],
    ['nestjs', '@nestjs/core'],
  ])('has an entry `%s`, which says what to install where %s is missing', async (entry, peer) => {
    const imported = `import * as entry from '${packageJson.name}/${entry}'; console.log(Object.keys(entry).join())`;
    const load = (peers: string[]) => runWith(peers, 'node', ['--input-type=module', '-e', imported]);
    const others = entry === 'nestjs' ? OPTIONAL.filter((name) => name !== peer) : [];
    await expect(load(others)).rejects.toThrow(
      `TaskQueueError: \`mongoose-task-queue/${entry}\` needs ${peer}. Write \`npm install ${peer}\`.`,
    );
    const names = await load([...others, peer]);

    expect(names).toMatch(/metrics|instrument,|TaskQueueModule/);
  });

  it('has types for its entries', async () => {
    await runWith(OPTIONAL, 'node', [
      join(modules, 'typescript/bin/tsc'),
      ...FLAGS,
      '--experimentalDecorators',
      'entries.ts',
      'subpaths.ts',
    ]);
  });

  const compilers = [
    ['7', 'typescript'],
    ['6.0', 'ts6'],
    ['5.9', 'ts59'],
  ] as const;
  // A compiler takes seconds, and what differs beside Mongoose 8 differs for the newest one as well.
  const isNewest = mongoose === 'mongoose';
  describe.each(isNewest ? compilers : compilers.slice(0, 1))(
    'type-checks with TypeScript %s',
    (_version, compiler) => {
      it.each(isNewest ? [true, false] : [true])('experimentalDecorators: %s', async (experimentalDecorators) => {
        const flags = [...FLAGS, '--experimentalDecorators', String(experimentalDecorators)];

        await run('node', [join(modules, compiler, 'bin/tsc'), ...flags, 'consumer.ts', 'declared.ts'], project);
      });
    },
  );
});

/** What the command printed. When it fails, the error carries that too: compilers print their errors on stdout. */
function run(command: string, parameters: string[], cwd: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  return new Promise((fulfil, refuse) => {
    execFile(command, parameters, { cwd, env: { ...process.env, ...env } }, (error, stdout, stderr) => {
      if (error) refuse(new Error(`${error.message}\n${stdout}\n${stderr}`));
      else fulfil(stdout);
    });
  });
}
