import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';

const root = resolve(__dirname, '../..');

/** The files of `lib` that a program loads with an entry. */
async function loadedBy(entry: string): Promise<string[]> {
  const program = `
    require(${JSON.stringify(resolve(root, 'lib', entry))});
    const files = Object.keys(require.cache).filter((file) => file.startsWith(${JSON.stringify(`${root}/lib/`)}));
    console.log(JSON.stringify(files));
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ['--require', 'tsx/cjs', '-e', program], {
    cwd: root,
  });

  return (JSON.parse(stdout) as string[]).map((file) => file.slice(`${root}/lib/`.length));
}

describe('a program that does not import the dashboard', () => {
  it('loads nothing of it', async () => {
    const main = await loadedBy('index.ts');
    const board = await loadedBy('dashboard/index.ts');
    const isSeen = (file: string) => /^(dashboard|inspect)\//.test(file);

    expect(main.length).toBeGreaterThan(100);
    expect(main.filter(isSeen)).toEqual([]);
    expect(board.filter(isSeen).length).toBeGreaterThan(20);
  });
});
