#!/usr/bin/env bash
# A claim that sets its lease by the server's clock, `$$NOW` in an update pipeline, while a transaction holds the task for two seconds.
# MONGODB_URI names a replica set, of which the database `finding` is used and dropped.
#
# Guess: the server waits until the transaction is over, then updates: a lease of one second ends one second after the claim.
# Seen: with MongoDB 6.0.5 (driver 7.9.0) the claim succeeds, and the lease it gives is over already. `$$NOW` is the time at which the command
# came in, however long it waits for the document and however often it is tried again; the manual says that it stays the same for a whole pipeline,
# not from when. `$currentDate` is the time of the write itself. The way out: a start by `$currentDate` and a term beside it, or a look at the lease
# that came back before the work begins.
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
const tasks = database.collection('tasks');
const clock = async () => (await database.command({ hello: 1 })).localTime;
const isWaiting = async () => {
  const { inprog } = await client.db('admin').command({ currentOp: 1, ns: 'finding.tasks', 'command.findAndModify': 'tasks' });
  return inprog.length > 0;
};

const claims = {
  $$NOW: [{ $set: { state: 'RUNNING', claimedAt: '$$NOW', leaseUntil: { $add: ['$$NOW', 1000] } } }],
  $currentDate: { $set: { state: 'RUNNING' }, $currentDate: { claimedAt: true } },
};
for (const [name, update] of Object.entries(claims)) {
  const { insertedId: _id } = await tasks.insertOne({ state: 'CREATED' });
  const session = client.startSession();
  session.startTransaction();
  await tasks.updateOne({ _id }, { $set: { note: 'seen' } }, { session });

  const claim = tasks.findOneAndUpdate({ _id, state: 'CREATED' }, update, { returnDocument: 'after' });
  while (!(await isWaiting())) await setTimeout(50);
  await setTimeout(2000);
  const released = await clock();
  await session.commitTransaction();
  await session.endSession();

  const { state, claimedAt, leaseUntil } = await claim;
  console.log(`${name}: ${state}, claimed ${claimedAt < released ? 'before' : 'after'} the task was free`);
  if (leaseUntil) console.log(`${name}: lease of a second over when the claim came back: ${leaseUntil < released}`);
}
await database.dropDatabase();
await client.close();
PROGRAM
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
$$NOW: RUNNING, claimed before the task was free
$$NOW: lease of a second over when the claim came back: true
$currentDate: RUNNING, claimed after the task was free
SEEN
