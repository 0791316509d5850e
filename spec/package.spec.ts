import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import packageJson from '../package.json';
import { useDatabase } from './support/database';

const root = resolve(__dirname, '..');
const modules = join(root, 'node_modules');

/** The packed package, installed in a project of its own that has nothing but what the package declares. */
describe.each(['mongoose', 'mongoose8'])('the packed package, beside %s', (mongoose) => {
  const database = useDatabase();
  let project: string;

  beforeAll(async () => {
    project = await mkdtemp(join(tmpdir(), 'consumer-'));
    // As on a fresh clone: what is packed is built then.
    await rm(join(root, 'dist'), { recursive: true, force: true });
    const packed = await run('npm', ['pack', '--silent', '--pack-destination', project], root);

    const installed = join(project, 'node_modules', packageJson.name);
    await mkdir(installed, { recursive: true });
    await run('tar', ['-xzf', packed.trim(), '-C', installed, '--strip-components', '1'], project);
    const needed = [
      ...Object.keys(packageJson.dependencies),
      ...Object.keys(packageJson.peerDependencies),
      '@types/node',
    ];
    for (const name of needed) {
      await mkdir(dirname(join(project, 'node_modules', name)), { recursive: true });
      await symlink(join(modules, name === 'mongoose' ? mongoose : name), join(project, 'node_modules', name));
    }
    await cp(join(__dirname, 'support/consumer'), project, { recursive: true });
  });

  afterAll(() => rm(project, { recursive: true, force: true }));

  it('works when it is required', async () => {
    expect(await run('node', ['consumer.cjs', database.uri], project)).toBe('ada@example.org FINISHED\n');
  });

  it('works when it is imported, as the same module', async () => {
    expect(await run('node', ['consumer.mjs', database.uri], project)).toBe('ada@example.org FINISHED true\n');
  });

  describe.each([
    ['7', 'typescript'],
    ['6.0', 'ts6'],
    ['5.9', 'ts59'],
  ])('type-checks with TypeScript %s', (_version, compiler) => {
    it.each([true, false])(
      'experimentalDecorators: %s',
      async (experimentalDecorators) => {
        const flags = ['--noEmit', '--strict', '--skipLibCheck', '--exactOptionalPropertyTypes'];
        flags.push(
          '--target',
          'es2022',
          '--module',
          'nodenext',
          '--lib',
          'es2023,esnext.decorators',
          '--types',
          'node',
        );
        flags.push('--experimentalDecorators', String(experimentalDecorators));

        await run('node', [join(modules, compiler, 'bin/tsc'), ...flags, 'consumer.ts'], project);
      },
      120_000,
    );
  });
});

/** What the command printed. When it fails, the error carries that too: compilers print their errors on stdout. */
function run(command: string, parameters: string[], cwd: string): Promise<string> {
  return new Promise((fulfil, refuse) => {
    execFile(command, parameters, { cwd }, (error, stdout, stderr) => {
      if (error) refuse(new Error(`${error.message}\n${stdout}\n${stderr}`));
      else fulfil(stdout);
    });
  });
}
