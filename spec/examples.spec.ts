import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { useDatabase } from './support/database';

const root = resolve(__dirname, '..');

/** What each example prints. */
const printed: Record<string, string[]> = {
  'quick-start': ['popped urgent@example.org', 'sent to ada@example.org', 'sent to grace@example.org', 'finished 3'],
  dependencies: [
    'build a1b2c3',
    '  ready before the compile: 0',
    '  tested on linux: FINISHED',
    '  tested on macos: FINISHED',
    '  tested on windows: FINISHED',
    '  published: true - notified: false',
    'build d4e5f6',
    '  ready before the compile: 0',
    '  tested on linux: FINISHED',
    '  tested on macos: FINISHED',
    '  tested on windows: FAILED',
    '  published: false - notified: true',
    '  A dependency failed: Test …: 3 specs failed',
  ],
  adopting: [
    'with a state: 0',
    'tasks before the back-fill: 0',
    'back-filled: 600',
    'and again: 0',
    'ready: 600',
    'first: late@example.org',
    'finished: 601',
    'left as they were: 400',
  ],
  workflow: [
    'dogs: FINISHED ',
    'cats: FAILED A dependency failed: Encode …: a frame is missing',
    '{ requeued: 1, skipped: 0 }',
    'cats: FINISHED',
  ],
  worker: [
    'failed nobody: UnrecoverableError',
    'failed slow@example.org: TimeoutError',
    'finished ada@example.org at attempt 1',
    'finished flaky@example.org at attempt 2',
    'retried flaky@example.org',
    'retried slow@example.org',
  ],
  'several-models': ['worked on 66 tasks', 'e-mails before the last report: less than half'],
  shutdown: [
    'finished the one of 50 ms',
    'gave back the one of 60000 ms, attempts charged: 0',
    'still in the queue: 1',
  ],
  schedule: ['the same task: true', 'runs: 3 - state now: FINISHED', 'left in the queue: 2'],
  transaction: ['CREATED ada 100, grace 0', 'FINISHED ada 70, grace 30'],
  dashboard: [
    'ready: to: ada@example.org',
    'found: 1',
    'a visitor: 403',
    'retry: 1',
    'an operator: 200',
    'ready now: 2 CREATED',
  ],
  nestjs: ['finished: receipt of ada@example.org', 'health: up', 'closed'],
  condition: ['popped before the payment: null', "it waits for: order Order { status: 'new' }", 'shipping: lamp'],
};

describe('examples', () => {
  const database = useDatabase('replicaSet');

  it('are all named here and in the page about them', () => {
    const files = readdirSync(resolve(root, 'examples')).filter((file) => file.endsWith('.ts'));
    const page = readFileSync(resolve(root, 'docs/examples.md'), 'utf8');

    expect(files.map((file) => file.replace('.ts', '')).sort()).toEqual(Object.keys(printed).sort());
    const moving = readdirSync(resolve(root, 'examples/moving')).map((file) => `moving/${file}`);
    for (const file of [...files, ...moving]) expect(page).toContain(`[${file}](../examples/${file})`);
  });

  it.each(Object.keys(printed))('%s prints what it says', async (name) => {
    await expect(run(name, database.uri)).resolves.toEqual(printed[name]);
  });

  it.each(['README.md', 'docs/getting-started.md'])('have the quick start of %s', (name) => {
    const page = readFileSync(resolve(root, name), 'utf8');
    const [, ...code] = readFileSync(resolve(root, 'examples/quick-start.ts'), 'utf8').split('\n').slice(1);

    expect(page).toContain(code.join('\n').trim());
  });

  it('print what the page about getting started says', () => {
    const page = readFileSync(resolve(root, 'docs/getting-started.md'), 'utf8');

    expect(page).toContain(`$ npx tsx quick-start.ts\n${printed['quick-start']!.join('\n')}\n`);
  });
});

function run(name: string, uri: string): Promise<string[]> {
  const child = spawn(process.execPath, ['--require', 'tsx/cjs', resolve(root, `examples/${name}.ts`)], {
    cwd: root,
    env: { ...process.env, MONGODB_URI: uri },
  });
  let out = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk));

  return new Promise((fulfil, refuse) => {
    child.on('close', (code) => (code === 0 ? fulfil(out.trimEnd().split('\n')) : refuse(new Error(errors))));
  });
}
