import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { MISTAKES, PRELUDE } from './mistakes';
import { messagesOf } from './messages';

const root = resolve(__dirname, '../..');
const modules = join(root, 'node_modules');

/** What a compiler says of a mistake is what its maker reads: it is short, and names what is wrong. */
describe.each([
  ['7', 'typescript'],
  ['5.9', 'ts59'],
])('the messages of TypeScript %s', (_version, compiler) => {
  let messages: Map<number, string[]>;

  // All at once: most of the time goes into the types of Mongoose.
  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mistakes-'));
    await symlink(modules, join(folder, 'node_modules'));
    await writeFile(join(folder, 'mistakes.ts'), [PRELUDE, ...MISTAKES.map(({ code }) => code)].join('\n'));
    const paths = { 'mongoose-task-queue': [join(root, 'lib/index.ts')] };
    const options = {
      extends: join(root, 'tsconfig.json'),
      compilerOptions: { rootDir: '/', paths, typeRoots: [join(modules, '@types')] },
    };
    await writeFile(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ ...options, include: ['mistakes.ts'], exclude: [] }),
    );
    messages = messagesOf(await outputOf(compiler, folder), PRELUDE.split('\n').length);
    await rm(folder, { recursive: true });
  });

  it.each(MISTAKES)('$code', ({ code, says }) => {
    expect(messages.get(MISTAKES.findIndex((mistake) => mistake.code === code))).toEqual(says);
  });

  it('are about these mistakes only', () => {
    expect([...messages.keys()].toSorted((a, b) => a - b)).toEqual(MISTAKES.map((_, index) => index));
  });
});

/** What the compiler prints. It fails, since there are mistakes. */
function outputOf(compiler: string, folder: string): Promise<string> {
  const parameters = [join(modules, compiler, 'bin/tsc'), '-p', folder, '--pretty', 'false'];

  return new Promise((fulfil) => execFile('node', parameters, { cwd: folder }, (_error, stdout) => fulfil(stdout)));
}
