import { randomBytes } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mongo } from 'mongoose';

/** Name and password. */
export const ADMINISTRATOR = 'root';

/** A folder with the key by which members of a set know each other. Not being empty, it keeps MongoMemoryServer from making users of its own. */
export async function lockedFolder(): Promise<{ path: string; keyFile: string }> {
  const path = await mkdtemp(join(tmpdir(), 'mongod-'));
  const keyFile = join(path, 'key');
  await writeFile(keyFile, randomBytes(96).toString('base64'), { mode: 0o400 });

  return { path, keyFile };
}

/** Makes the first user: who comes from the server's own machine may, as long as there is none. */
export async function createAdministrator(host: string): Promise<void> {
  const client = await mongo.MongoClient.connect(`mongodb://${host}/?directConnection=true`);
  try {
    await client.db('admin').command({ createUser: ADMINISTRATOR, pwd: ADMINISTRATOR, roles: ['root'] });
  } finally {
    await client.close();
  }
}
