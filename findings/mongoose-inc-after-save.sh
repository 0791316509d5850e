#!/usr/bin/env bash
# A worker that counts its progress by `doc.$inc()` and `save()` of Mongoose, several times with one document: steps that are done, places that are
# taken and given back. MONGODB_URI names a server, of which the database `finding` is used and dropped.
#
# Guess: each `save()` sends what was counted since the last one, so that the document and the database agree as long as nobody else counts.
# Seen: with Mongoose 9.12.1 and 8.24.10 each sends the sum of all `$inc()` calls of that path since the document was loaded, the saved ones as well:
# three steps are 3 in the document and 6 in the database, and a place that is given back stays taken, by a `$inc` of 0. `save()` does not reset what
# `$inc()` has gathered (it gathers since issue 13274), only a value that is set does. `bulkSave()` sends the same.
# On a subdocument `$inc()` is a `$set` of the new value instead, so of two processes that count, one is lost; by the path from its parent both count.
# The way out: `updateOne()` with `$inc`, or a document that is found anew after each `save()`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund mongoose-8@npm:mongoose@8.24.10 mongoose-9@npm:mongoose@9.12.1 >/dev/null

cat >count.mjs <<'PROGRAM'
const { default: mongoose } = await import(process.argv[2]);
const connection = await mongoose.createConnection(process.env.MONGODB_URI, { dbName: 'finding' }).asPromise();
await connection.dropDatabase();
const progress = new mongoose.Schema({ steps: Number });
const Task = connection.model('Task', new mongoose.Schema({ steps: Number, progress }));
await Task.init();
const create = () => Task.create({ steps: 0, progress: { steps: 0 } });
const find = ({ _id }) => Task.findById(_id);

const count = async (name, numbers, save) => {
  const task = await create();
  for (const number of numbers) {
    task.$inc('steps', number);
    await save(task);
  }
  console.log(`${name}: document ${task.steps}, database ${(await find(task)).steps}`);
};
await count('three steps, save', [1, 1, 1], (task) => task.save());
await count('three steps, bulkSave', [1, 1, 1], (task) => Task.bulkSave([task]));
await count('taken and given back, save', [1, -1], (task) => task.save());

const twoProcesses = async (name, increment) => {
  const task = await create();
  for (const loaded of [await find(task), await find(task)]) {
    increment(loaded);
    await loaded.save();
  }
  console.log(`${name}: database ${(await find(task)).progress.steps}`);
};
await twoProcesses('two processes, subdocument', (task) => task.progress.$inc('steps'));
await twoProcesses('two processes, path from the parent', (task) => task.$inc('progress.steps'));
await connection.dropDatabase();
await connection.close();
PROGRAM
found=$(
  for package in mongoose-8 mongoose-9; do
    echo "$package"
    node count.mjs "$package"
  done
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
mongoose-8
three steps, save: document 3, database 6
three steps, bulkSave: document 3, database 6
taken and given back, save: document 0, database 1
two processes, subdocument: database 1
two processes, path from the parent: database 2
mongoose-9
three steps, save: document 3, database 6
three steps, bulkSave: document 3, database 6
taken and given back, save: document 0, database 1
two processes, subdocument: database 1
two processes, path from the parent: database 2
SEEN
