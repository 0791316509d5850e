import { execFile, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { useDatabase } from '../support/database';
import { nativeOf } from '../support/raw';

const root = resolve(__dirname, '../..');

/** The program as it is built, in a project of its own whose models it loads. */
describe('npx mongoose-task-queue', () => {
  const database = useDatabase();
  const emailModel = () => database.connection.model('Email', taskQueue(new Schema({ to: String })));
  let Email: ReturnType<typeof emailModel>;
  let project: string;
  let program: string;

  beforeAll(async () => {
    project = mkdtempSync(join(tmpdir(), 'command-line-'));
    const installed = join(project, 'node_modules/mongoose-task-queue');
    const built = join(installed, 'dist');
    mkdirSync(installed, { recursive: true });
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', built], { cwd: root });
    execFileSync(process.execPath, ['lib/cli/build.mjs', join(built, 'cli')], { cwd: root });
    for (const name of ['croner', 'reflect-metadata'])
      symlinkSync(join(root, 'node_modules', name), join(project, 'node_modules', name));
    // The one that these specs have, which may be Mongoose 8.
    symlinkSync(dirname(require.resolve('mongoose')), join(project, 'node_modules/mongoose'));
    symlinkSync(join(root, 'package.json'), join(installed, 'package.json'));
    program = join(built, 'cli/main.js');
    Email = emailModel();
    await Email.ensureTaskIndexes();
  });

  afterAll(() => rmSync(project, { recursive: true, force: true }));
  beforeEach(() => nativeOf(Email).deleteMany({}));

  /** A file of the project, and its path. */
  function file(name: string, text: string): string {
    writeFileSync(join(project, name), text);

    return name;
  }

  function cli(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
    return new Promise((fulfil) => {
      // Not those of the runner: the program is to find the database by what it is told.
      const { MONGODB_URI: _, FORCE_COLOR: __, ...env } = process.env;
      execFile(process.execPath, [program, ...argv], { cwd: project, env }, (error, out, err) =>
        fulfil({ code: (error?.code as number | undefined) ?? 0, out, err }),
      );
    });
  }

  const MODEL = "model('Email', taskQueue(new Schema({ to: String })));";

  it('finds the queues of a database by its URI', async () => {
    await Email.push({ to: 'ada' });

    const { code, out } = await cli('stats', '--uri', database.uri, '--json');

    expect([code, JSON.parse(out)]).toEqual([0, [expect.objectContaining({ model: 'emails', ready: 1 })]]);
  });

  it('takes the models of a CommonJS file, and connects them by --uri', async () => {
    const task = await Email.push({ to: 'ada' });
    const models = file(
      'models.cjs',
      `const { model, Schema } = require('mongoose'); const { taskQueue } = require('mongoose-task-queue'); ${MODEL}`,
    );

    const { code, out } = await cli('cancel', String(task._id), '--require', models, '--uri', database.uri);

    expect([code, out]).toEqual([0, expect.stringContaining('1 task cancelled')]);
    expect((await Email.findById(task._id))?.state).toBe('CANCELLED');
  });

  it('takes those of an ES module that connects by itself, a moment later', async () => {
    const models = file(
      'models.mjs',
      `import { connect, model, Schema } from 'mongoose'; import { taskQueue } from 'mongoose-task-queue'; ${MODEL}
       setTimeout(() => connect('${database.uri}'), 100); setInterval(() => {}, 1_000);`,
    );

    const { code, out } = await cli('stats', '--require', `./${models}`);

    expect(code).toBe(0);
    expect(out).toMatch(/^Email/m);
  });

  it('doctor creates an index only when it is told to, whatever `autoIndex` says', async () => {
    await nativeOf(Email).dropIndex('task_claim');
    const models = ['--require', 'models.cjs', '--uri', database.uri];

    const found = await cli('doctor', ...models);
    expect([found.code, found.out]).toEqual([1, expect.stringContaining('emails lacks the index task_claim')]);
    expect(await nativeOf(Email).indexExists('task_claim')).toBe(false);

    expect((await cli('doctor', '--fix', ...models)).code).toBe(0);
    expect(await nativeOf(Email).indexExists('task_claim')).toBe(true);
  });

  it('says what is wrong with a file', async () => {
    const broken = await cli('stats', '--require', file('broken.cjs', "throw new Error('no such setting')"));
    const empty = await cli('stats', '--require', file('empty.cjs', ''));
    const typed = await cli(
      'stats',
      '--require',
      file('models.ts', 'const one: number = 1; enum Two { A }; export { one, Two };'),
    );

    expect([broken.code, broken.err]).toEqual([2, expect.stringContaining('no such setting')]);
    expect([empty.code, empty.err]).toEqual([2, expect.stringContaining('registered no model with the plugin')]);
    expect([typed.code, typed.err]).toEqual([2, expect.stringContaining('TypeScript')]);
  });

  it('says that the models are of another copy of Mongoose', async () => {
    const other = join(project, 'other');
    mkdirSync(join(other, 'node_modules/mongoose'), { recursive: true });
    writeFileSync(join(other, 'node_modules/mongoose/package.json'), '{ "name": "mongoose", "main": "index.js" }');
    writeFileSync(join(other, 'node_modules/mongoose/index.js'), '');

    const { code, err } = await cli('stats', '--require', file('other/models.cjs', "require('mongoose')"));

    expect([code, err]).toEqual([2, expect.stringContaining('another copy of mongoose')]);
  });

  it('dashboard answers on loopback until it is stopped, and is read only without models', async () => {
    await Email.push({ to: 'ada' });
    const server = spawn(process.execPath, [program, 'dashboard', '--port', '0', '--uri', database.uri, '--json']);
    const [printed] = (await once(server.stdout, 'data')) as [Buffer];
    const { url } = JSON.parse(printed.toString()) as { url: string };

    const about = await (await fetch(`${url}api/about`)).json();
    const foreign = await fetch(`${url}api/about`, { headers: { 'x-forwarded-for': '192.0.2.1' } });

    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    expect(about).toMatchObject({ readOnly: true, models: [{ name: 'emails' }] });
    expect(foreign.status).toBe(403);
    server.kill('SIGINT');
    expect(await once(server, 'close')).toEqual([0, null]);
  });

  it('dashboard says that its port is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');

    const { code, err } = await cli(
      'dashboard',
      '--port',
      String((taken.address() as AddressInfo).port),
      '--uri',
      database.uri,
    );

    taken.close();
    expect([code, err]).toEqual([1, expect.stringContaining('`--port 0`')]);
  });
});
