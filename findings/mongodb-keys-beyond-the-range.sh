#!/usr/bin/env bash
# A look in an index for what is due by now, while nothing is: all that was due later has just been deleted.
# MONGODB_URI names a replica set, of which the database `finding` is used and dropped.
#
# Guess: a scan of the range up to now costs nothing, since no key is in it; `explain` says so. Removed keys can cost something only where the scan
# passes them, before the end of its range.
# Seen: with MongoDB 6.0.5 (driver 7.9.0) explain tells of no key and no document, and the storage engine walks over all keys that were removed *behind* the range:
# a scan learns that its range is over only by the next key that is there. A replica set keeps removed keys for `minSnapshotHistoryWindowInSeconds` (300), so
# that each look of an idle queue costs as much as was done in five minutes. One key that is there, just behind the range, ends the walk at once.
# `serverStatus().wiredTiger.cursor` counts what explain does not. (Index scans have an end of their own since 6.2: SERVER-65528.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund mongodb@7.9.0 >/dev/null

found=$(node --input-type=module <<'PROGRAM'
import { MongoClient } from 'mongodb';

const REMOVED = 5_000;
const client = await MongoClient.connect(process.env.MONGODB_URI);
const database = client.db('finding');
await database.dropDatabase();
const tasks = database.collection('tasks');
await tasks.createIndex({ due: 1 });
await tasks.insertMany(Array.from({ length: REMOVED }, (_, index) => ({ due: 1_000 + index })));
await tasks.deleteMany({});

const walked = async () => {
  const { wiredTiger } = await client.db('admin').command({ serverStatus: 1 });
  return Number(wiredTiger.cursor['Total number of entries skipped by cursor next calls']);
};
async function look(name) {
  const { executionStats } = await tasks.find({ due: { $lte: 10 } }).hint('due_1').explain('executionStats');
  const before = await walked();
  await tasks.find({ due: { $lte: 10 } }).hint('due_1').toArray();
  const isLong = (await walked()) - before > REMOVED / 2;
  console.log(`${name}: ${executionStats.totalKeysExamined} keys by explain, walks over the removed ones: ${isLong}`);
}

await look('nothing behind the range');
await tasks.insertOne({ due: 11 });
await look('a key just behind the range');
await database.dropDatabase();
await client.close();
PROGRAM
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
nothing behind the range: 0 keys by explain, walks over the removed ones: true
a key just behind the range: 0 keys by explain, walks over the removed ones: false
SEEN
