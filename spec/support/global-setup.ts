import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { type Mongod, startMongod } from './mongod';

declare global {
  var mongodsOfThisRun: Mongod[] | undefined;
}

const BUILD_PAGE = join(__dirname, '../../lib/dashboard/page/build.mjs');

/**
 * One server of each kind for the whole run. The workers start later and inherit the environment. The dashboard's page is what it is when the
 * run begins.
 */
export default async function startServers(): Promise<void> {
  // The models are run by themselves, and need none.
  if (process.env['MODEL_SIZE'] === 'full') return;

  // The processes that specs start are to have the same Mongoose.
  if (process.env['MONGOOSE'] === '8')
    process.env['NODE_OPTIONS'] =
      `${process.env['NODE_OPTIONS'] ?? ''} --require ${resolve(__dirname, 'mongoose8.cjs')}`;

  const [standalone, replicaSet] = await Promise.all([
    startMongod(),
    startMongod({ replicaSet: true }),
    promisify(execFile)('node', [BUILD_PAGE]),
  ]);
  process.env['MONGODB_STANDALONE_URI'] = standalone.uri;
  process.env['MONGODB_REPLICA_SET_URI'] = replicaSet.uri;
  globalThis.mongodsOfThisRun = [standalone, replicaSet];
}
