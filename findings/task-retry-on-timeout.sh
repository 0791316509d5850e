#!/usr/bin/env bash
# A task of @mongoosejs/task with `timeoutMS` and `retryOnTimeoutCount: 2` whose handler takes too long.
# MONGODB_URI names a server, of which the database `finding` is used and dropped.
#
# Guess: it is tried up to three times.
# Seen: with @mongoosejs/task 0.7.1 it is tried once. `timeoutMS` makes it `timed_out`, and nothing looks at the count. The count is for another
# timeout, that of a process which died: a task that is still `in_progress` ten minutes after its `timeoutAt`, which is ten minutes after its start,
# is tried again.
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
const runs = {};
await Task.registerHandler('email', async ({ name }) => {
  runs[name] = (runs[name] ?? 0) + 1;
  if (name === 'slow') await new Promise((resolve) => setTimeout(resolve, 500));
});

await Task.schedule('email', new Date(), { name: 'slow' }, { timeoutMS: 50, retryOnTimeoutCount: 2 });
const died = await Task.schedule('email', new Date(), { name: 'of a process that died' }, { retryOnTimeoutCount: 2 });
const started = new Date(Date.now() - 21 * 60_000);
await Task.updateOne({ _id: died._id }, { status: 'in_progress', startedRunningAt: started, timeoutAt: new Date(started.getTime() + 600_000) });
runs[died.params.name] = 1;

for (let round = 0; round < 5; round++) {
  await Task.expireTimedOutTasks();
  await Task.poll();
}

for (const name of ['slow', 'of a process that died']) {
  const tasks = await Task.find({ 'params.name': name }).sort({ _id: 1 });
  console.log(`${name}: runs ${runs[name]}, tasks ${tasks.map(({ status }) => status).join(', ')}`);
}
await mongoose.connection.dropDatabase();
await mongoose.disconnect();
PROGRAM
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
slow: runs 1, tasks timed_out
of a process that died: runs 2, tasks timed_out, succeeded
SEEN
