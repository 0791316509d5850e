import { execFileSync } from 'node:child_process';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { docBlocks, writeBlocks } from './support/docs/blocks';

const ROOT = join(__dirname, '..');
const FOLDER = join(ROOT, '.docs');

/** What the pages take for granted, and packages that are not installed here. */
const GIVEN = ['prelude.d.ts', 'absent.d.ts'];

describe('the TypeScript of the README and the docs', () => {
  const blocks = docBlocks();

  it('is there', () => {
    expect(blocks.length).toBeGreaterThan(30);
  });

  it('compiles', () => {
    writeBlocks(FOLDER, blocks);
    for (const name of GIVEN) copyFileSync(join(__dirname, 'support/docs', name), join(FOLDER, name));
    const paths = { 'mongoose-task-queue': ['../lib/index.ts'], 'mongoose-task-queue/*': ['../lib/*/index.ts'] };
    const compilerOptions = { rootDir: '..', paths };
    writeFileSync(
      join(FOLDER, 'tsconfig.json'),
      JSON.stringify({ extends: '../tsconfig.json', compilerOptions, include: ['*'], exclude: [] }),
    );
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');

    expect(outputOf(() => execFileSync(process.execPath, [tsc, '-p', FOLDER], { cwd: ROOT, encoding: 'utf8' }))).toBe(
      '',
    );
  });
});

function outputOf(run: () => string): string {
  try {
    return run();
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}
