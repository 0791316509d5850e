import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { startMongod } from './mongod';

/** `npm run example -- quick-start`: an example reads MONGODB_URI, this gives it a server where there is none. */
async function main(name: string | undefined): Promise<number> {
  const root = resolve(__dirname, '../..');
  const names = readdirSync(resolve(root, 'examples')).flatMap((file) => /^(.+)\.ts$/.exec(file)?.[1] ?? []);
  if (!name || !names.includes(name)) {
    console.error(`Which example? npm run example -- <name>, one of: ${names.join(', ')}`);
    return 1;
  }

  const mongod = await startMongod({ replicaSet: !process.env['MONGODB_URI'] });
  const example = spawn(process.execPath, ['--require', 'tsx/cjs', resolve(root, `examples/${name}.ts`)], {
    cwd: root,
    env: { ...process.env, MONGODB_URI: mongod.uri },
    stdio: 'inherit',
  });
  // Ctrl-C reaches the example as well, which may want to end its work first.
  process.on('SIGINT', () => {});
  const [code] = (await once(example, 'close')) as [number | null];
  await mongod.stop();
  return code ?? 1;
}

void main(process.argv[2]).then((code) => process.exit(code));
