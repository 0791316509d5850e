import { mongo } from 'mongoose';
import { eventually } from '../eventually';

export const SET_NAME = 'specs';

/**
 * Makes the server at `host` the only member of a replica set, if it is not yet, and waits until it takes writes.
 * MongoMemoryReplSet would reconfigure a set that was there before, which fails now and then during its election.
 */
export async function becomePrimary(host: string): Promise<void> {
  const client = await mongo.MongoClient.connect(`mongodb://${host}/?directConnection=true`);
  try {
    const admin = client.db('admin');
    const { setName } = await admin.command({ hello: 1 });
    if (!setName) await initiate(admin, host);
    await eventually(async () => {
      const { isWritablePrimary } = await admin.command({ hello: 1 });
      if (!isWritablePrimary) throw new Error(`${host} does not become the primary of its set`);
    });
  } finally {
    await client.close();
  }
}

async function initiate(admin: mongo.Db, host: string): Promise<void> {
  try {
    await admin.command({ replSetInitiate: { _id: SET_NAME, members: [{ _id: 0, host }] } });
  } catch (error) {
    // A server that has just been started again may not have read its configuration yet.
    if ((error as mongo.MongoServerError).codeName !== 'AlreadyInitialized') throw error;
  }
}
