#!/usr/bin/env bash
# A task of @mongoosejs/task that no worker has started ten minutes after it was due, for example because the workers were down for eleven.
# MONGODB_URI names a server, of which the database `finding` is used and dropped.
#
# Guess: it is late, and runs as soon as a worker is there.
# Seen: with @mongoosejs/task 0.7.1 it never runs. `schedule()` writes a `schedulingTimeoutAt` ten minutes after the due time by itself; the worker
# that comes later makes the task `scheduling_timed_out` without calling its handler. Nine minutes late it runs. A `schedulingTimeoutAt` of
# null, given in the options, lets it run at any time.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @mongoosejs/task@0.7.1 mongoose@9.12.1 >/dev/null

found=$(node --input-type=module <<'PROGRAM'
import mongoose from 'mongoose';
import createTask from '@mongoosejs/task';

await mongoose.connect(process.env.MONGODB_URI, { dbName: 'finding' });
await mongoose.connection.dropDatabase();
const Task = createTask();
const runs = [];
await Task.registerHandler('email', async ({ minutes, name }) => runs.push(name));

const now = Date.now();
const dueAt = (minutes) => new Date(now - minutes * 60_000);
await Task.schedule('email', dueAt(9), { name: 'nine minutes late' });
await Task.schedule('email', dueAt(11), { name: 'eleven minutes late' });
await Task.schedule('email', dueAt(11), { name: 'eleven minutes late, without a timeout' }, { schedulingTimeoutAt: null });
await Task.poll();

for (const { params, status } of await Task.find().sort({ _id: 1 }))
  console.log(`${params.name}: ${status}, ${runs.includes(params.name) ? 'ran' : 'did not run'}`);
await mongoose.connection.dropDatabase();
await mongoose.disconnect();
PROGRAM
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
nine minutes late: succeeded, ran
eleven minutes late: scheduling_timed_out, did not run
eleven minutes late, without a timeout: succeeded, ran
SEEN
