import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mongoose from 'mongoose';
import { startProgram } from './support/child';
import { useDatabase } from './support/database';
import { eventually } from './support/eventually';
import { startMongod } from './support/mongod';

describe('the servers of a run', () => {
  const standalone = useDatabase('standalone');
  const replicaSet = useDatabase('replicaSet');

  it('are a standalone and a replica set, both on wiredTiger', async () => {
    const hello = { hello: 1 };
    const status = { serverStatus: 1 };

    expect(await replicaSet.connection.db!.command(hello)).toHaveProperty('setName');
    if (!process.env['MONGODB_URI']) {
      expect(await standalone.connection.db!.command(hello)).not.toHaveProperty('setName');
    }
    for (const { connection } of [standalone, replicaSet]) {
      expect(await connection.db!.admin().command(status)).toMatchObject({ storageEngine: { name: 'wiredTiger' } });
    }
  });

  it('undo an aborted transaction on the replica set', async () => {
    const { connection } = replicaSet;
    const rows = connection.collection('rows');
    await rows.insertOne({ kept: true });

    await expect(
      connection.transaction(async (session) => {
        await rows.insertOne({ kept: false }, { session });
        throw new Error('abort');
      }),
    ).rejects.toThrow('abort');

    expect(await rows.countDocuments({})).toBe(1);
  });
});

describe('startMongod', () => {
  it.each([false, true])('keeps the data of a killed server in its folder (replicaSet: %s)', async (isReplicaSet) => {
    const dbPath = await mkdtemp(join(tmpdir(), 'mongod-'));
    const first = await startMongod({ replicaSet: isReplicaSet, dbPath });
    const port = Number(/:(\d+)/.exec(first.uri)![1]);
    await insertRow(first.uri);
    await first.kill();

    const second = await startMongod({ replicaSet: isReplicaSet, dbPath, port });

    expect(second.uri).toBe(first.uri);
    expect(await countRows(second.uri)).toBe(1);
    await second.stop();
    await rm(dbPath, { recursive: true });
  });

  it('ends its server with the process that started it, even a killed one', async () => {
    const dbPath = await mkdtemp(join(tmpdir(), 'mongod-'));
    const child = startProgram('start-mongod', { dbPath });
    const { port } = await child.line((message) => 'port' in message);

    child.kill('SIGKILL');

    await eventually(() => expect(connect(Number(port))).rejects.toThrow('ECONNREFUSED'));
    await rm(dbPath, { recursive: true });
  });
});

async function connect(port: number): Promise<void> {
  const socket = createConnection(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.destroy();
}

async function insertRow(uri: string): Promise<void> {
  const connection = await mongoose.createConnection(uri).asPromise();
  await connection.collection('rows').insertOne({}, { writeConcern: { j: true } });
  await connection.destroy();
}

async function countRows(uri: string): Promise<number> {
  const connection = await mongoose.createConnection(uri).asPromise();
  const count = await connection.collection('rows').countDocuments({});
  await connection.destroy();
  return count;
}
