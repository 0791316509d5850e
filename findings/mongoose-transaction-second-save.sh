#!/usr/bin/env bash
# A document that is saved twice in one `connection.transaction()` of Mongoose, whose first attempt ends in a write conflict.
# MONGODB_URI names a replica set, of which the database `finding` is used and dropped.
#
# Guess: the transaction is tried again as a whole, as the driver does it; Mongoose resets the documents before, so that `save()` writes again.
# Seen: with Mongoose 9.12.1 and 8.24.10 it is committed without what the second `save()` wrote in the first attempt, and says nothing. Mongoose
# remembers the paths that were modified when a document is saved for the first time in a transaction, and marks only these again. Values are
# not reset, so setting the same value once more is no change. With 8.24.10 `bulkSave()` loses even the first (issue 16432, mended in 9).
# The way out: find the document inside the callback.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund mongoose-8@npm:mongoose@8.24.10 mongoose-9@npm:mongoose@9.12.1 >/dev/null

cat >transaction.mjs <<'PROGRAM'
const { default: mongoose } = await import(process.argv[2]);
const connection = await mongoose.createConnection(process.env.MONGODB_URI, { dbName: 'finding' }).asPromise();
await connection.dropDatabase();
const Task = connection.model('Task', new mongoose.Schema({ state: String, result: String }));
const Counter = connection.model('Counter', new mongoose.Schema({ count: Number }));
await Promise.all([Task.init(), Counter.init()]);
await Counter.create({ count: 0 });

const save = async (task, session) => {
  task.state = 'DONE';
  await task.save({ session });
  task.result = 'sent';
  await task.save({ session });
};
const bulkSave = async (task, session) => {
  task.state = 'DONE';
  task.result = 'sent';
  await Task.bulkSave([task], { session });
};
const run = async (name, find, write) => {
  const { _id } = await Task.create({ state: 'CREATED' });
  const loaded = await Task.findById(_id);
  let attempts = 0;
  await connection.transaction(async (session) => {
    attempts++;
    await write(await find(loaded, session), session);
    // In the first attempt another process counts as well, after this transaction has begun.
    if (attempts === 1) await Counter.updateOne({}, { $inc: { count: 1 } });
    await Counter.updateOne({}, { $inc: { count: 1 } }, { session });
  });
  const { state, result } = await Task.findById(_id);
  console.log(`${name}: attempts ${attempts}, state ${state}, result ${result}`);
};
const inside = ({ _id }, session) => Task.findById(_id).session(session);
await run('save, found before', (loaded) => loaded, save);
await run('save, found inside', inside, save);
await run('bulkSave, found before', (loaded) => loaded, bulkSave);
await run('bulkSave, found inside', inside, bulkSave);
await connection.dropDatabase();
await connection.close();
PROGRAM
found=$(
  for package in mongoose-8 mongoose-9; do
    echo "$package"
    node transaction.mjs "$package"
  done
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
mongoose-8
save, found before: attempts 2, state DONE, result undefined
save, found inside: attempts 2, state DONE, result sent
bulkSave, found before: attempts 2, state CREATED, result undefined
bulkSave, found inside: attempts 2, state DONE, result sent
mongoose-9
save, found before: attempts 2, state DONE, result undefined
save, found inside: attempts 2, state DONE, result sent
bulkSave, found before: attempts 2, state DONE, result sent
bulkSave, found inside: attempts 2, state DONE, result sent
SEEN
