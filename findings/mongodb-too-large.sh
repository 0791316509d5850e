#!/usr/bin/env bash
# One document that is larger than MongoDB's 16 MB, sent by the four calls of the Node driver that can store it. MONGODB_URI names any server, of
# which the database `finding` is used and dropped.
#
# Guess: one kind of error, of the driver, which knows the limit from the handshake; or of the server, with its code.
# Seen: with mongodb 7.5.0 and MongoDB 6.0 there are four for the same document. `insertMany` and `bulkWrite` have a MongoInvalidArgumentError
# without a code. `insertOne` and `updateOne` do not look: just above the limit the server answers, with code 2 and with 17420; from about 17 MB on
# the driver's buffer is too small, and what is thrown is Node's RangeError about an `offset`, which is no MongoError and names neither a document nor a
# size. Who wants to tell a document that is too large from a fault has to know all of them. The way out: `calculateObjectSize` before.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund mongodb@7.5.0 >/dev/null

cat >large.mjs <<'PROGRAM'
import { MongoClient, MongoError } from 'mongodb';
const client = await MongoClient.connect(process.env.MONGODB_URI);
const tasks = client.db('finding').collection('tasks');
const calls = {
  insertOne: (document) => tasks.insertOne(document),
  updateOne: (document) => tasks.updateOne({ _id: 1 }, { $set: document }, { upsert: true }),
  insertMany: (document) => tasks.insertMany([document]),
  bulkWrite: (document) => tasks.bulkWrite([{ insertOne: { document } }]),
};
for (const megabytes of [16, 20])
  for (const [name, call] of Object.entries(calls)) {
    const error = await call({ text: 'x'.repeat(megabytes * 2 ** 20) }).catch((thrown) => thrown);
    console.log(`${megabytes} MB, ${name}: ${error.name}, ${error.code ?? 'no code'}, ${error instanceof MongoError ? '' : 'no '}MongoError`);
  }
await client.db('finding').dropDatabase();
await client.close();
PROGRAM
found=$(node large.mjs)
echo "$found"

diff <(echo "$found") - <<'SEEN'
16 MB, insertOne: MongoServerError, 2, MongoError
16 MB, updateOne: MongoServerError, 17420, MongoError
16 MB, insertMany: MongoInvalidArgumentError, no code, MongoError
16 MB, bulkWrite: MongoInvalidArgumentError, no code, MongoError
20 MB, insertOne: RangeError, ERR_OUT_OF_RANGE, no MongoError
20 MB, updateOne: RangeError, ERR_OUT_OF_RANGE, no MongoError
20 MB, insertMany: MongoInvalidArgumentError, no code, MongoError
20 MB, bulkWrite: MongoInvalidArgumentError, no code, MongoError
SEEN
