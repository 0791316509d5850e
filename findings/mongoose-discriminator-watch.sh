#!/usr/bin/env bash
# `watch()` of a Mongoose model that is a discriminator, without options, while a task of its kind is inserted, updated and deleted.
# MONGODB_URI names a replica set, of which the database `finding` is used and dropped.
#
# Guess: it tells what the base model's `watch()` tells, of its own kind only; or of all kinds.
# Seen: with Mongoose 9.12.1 and 8.24.10 it tells inserts only. Mongoose puts a `$match` for the kind in `fullDocument` before the pipeline (since its
# issue 11007), and an update's event has no `fullDocument` unless the option `updateLookup` is set, nor then if the document is gone when it is
# looked up, as here; a delete's event never has one. So a deletion, be it by a TTL index, is never told. The way out: watch by the base model.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund mongoose-8@npm:mongoose@8.24.10 mongoose-9@npm:mongoose@9.12.1 >/dev/null

cat >watch.mjs <<'PROGRAM'
const { default: mongoose } = await import(process.argv[2]);
const connection = await mongoose.createConnection(process.env.MONGODB_URI, { dbName: 'finding' }).asPromise();
await connection.dropDatabase();
const Task = connection.model('Task', new mongoose.Schema({ state: String }, { discriminatorKey: 'kind' }));
const Email = Task.discriminator('Email', new mongoose.Schema({ to: String }));
await Task.init();
await Task.create({ state: 'FIRST' });

const { operationTime: startAtOperationTime } = await connection.db.command({ ping: 1 });
const { _id } = await Email.create({ state: 'CREATED' });
await Email.updateOne({ _id }, { state: 'DONE' });
await Email.deleteOne({ _id });
await Email.create({ state: 'LAST' });

const run = async (name, model, options) => {
  const told = [];
  const stream = model.watch([], { startAtOperationTime, ...options });
  await new Promise((resolve, reject) => {
    stream.on('error', reject);
    stream.on('change', ({ operationType, fullDocument }) => {
      if (fullDocument?.state === 'LAST') resolve();
      else if (fullDocument?.state !== 'FIRST') told.push(operationType);
    });
  });
  await stream.close();
  console.log(`${name}: ${told.join(', ')}`);
};
await run('Task', Task);
await run('Email', Email);
await run('Email, updateLookup', Email, { fullDocument: 'updateLookup' });
await connection.dropDatabase();
await connection.close();
PROGRAM
found=$(
  for package in mongoose-8 mongoose-9; do
    echo "$package"
    node watch.mjs "$package"
  done
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
mongoose-8
Task: insert, update, delete
Email: insert
Email, updateLookup: insert
mongoose-9
Task: insert, update, delete
Email: insert
Email, updateLookup: insert
SEEN
