#!/usr/bin/env bash
# A change stream that wakes a worker for tasks which are due when they are pushed: it compares their `dueAt` with `$$NOW` in its pipeline.
# MONGODB_URI names a replica set, of which the database `finding` is used and dropped.
#
# Guess: `$$NOW` is the time of each event, or the time at which the stream comes to it.
# Seen: with MongoDB 6.0.5 (driver 7.9.0) it is the time at which the stream was opened, for as long as it is open: a task that is pushed later and
# due at once never passes, one due long ago does. After the driver has resumed the stream it is the time of that, so it seems to work again for a
# moment. An event's `wallTime` is the time of its write, and does what was meant.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund mongodb@7.9.0 >/dev/null

found=$(node --input-type=module <<'PROGRAM'
import { setTimeout } from 'node:timers/promises';
import { MongoClient } from 'mongodb';

const client = await MongoClient.connect(process.env.MONGODB_URI);
const database = client.db('finding');
await database.dropDatabase();
const tasks = await database.createCollection('tasks');
const isLast = { $eq: ['$fullDocument.name', 'last'] };

const streams = {};
for (const time of ['$$NOW', '$wallTime']) {
  const isDue = { $lte: ['$fullDocument.dueAt', time] };
  streams[time] = tasks.watch([{ $match: { operationType: 'insert', $expr: { $or: [isDue, isLast] } } }]);
  await streams[time].tryNext();
}

const dueBefore = async (name, milliseconds) => {
  const { localTime } = await database.command({ hello: 1 });
  await tasks.insertOne({ name, dueAt: new Date(localTime.getTime() - milliseconds) });
};
await setTimeout(1500);
await dueBefore('due a minute ago', 60_000);
await dueBefore('due at once', 0);
await dueBefore('due in a minute', -60_000);
await dueBefore('last', 0);

for (const [time, stream] of Object.entries(streams)) {
  const names = [];
  for await (const { fullDocument } of stream) {
    if (fullDocument.name === 'last') break;
    names.push(fullDocument.name);
  }
  console.log(`${time}: ${names.join(', ')}`);
}
await database.dropDatabase();
await client.close();
PROGRAM
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
$$NOW: due a minute ago
$wallTime: due a minute ago, due at once
SEEN
