#!/usr/bin/env bash
# A schema of Mongoose whose writes shall survive a fail-over: its option `writeConcern` says majority and journal. The connection has `w: 1`, which
# is enough for other models. The driver's command monitoring hears what is sent. MONGODB_URI names a server, of which the database `finding` is
# used and dropped.
#
# Guess: the option is for all writes of the model, whether of one document or of many.
# Seen: with Mongoose 9.12.1 and 8.24.10 `create()`, `save()` and updates and deletes by a query have it. `insertMany()`, `bulkWrite()` and
# `bulkSave()` are sent with that of the connection, and nothing tells: documents that are stored one by one are safe, and those that are stored
# together may be rolled back. The way out: `w` and `j` on the connection, or with each call.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund mongoose-8@npm:mongoose@8.24.10 mongoose-9@npm:mongoose@9.12.1 >/dev/null

cat >concern.mjs <<'PROGRAM'
const { default: mongoose } = await import(process.argv[2]);
const options = { dbName: 'finding', w: 1, monitorCommands: true };
const connection = await mongoose.createConnection(process.env.MONGODB_URI, options).asPromise();
await connection.dropDatabase();
const writeConcern = { w: 'majority', j: true };
const Task = connection.model('Task', new mongoose.Schema({ state: String }, { writeConcern }));
await Task.init();
let sent = [];
connection.getClient().on('commandStarted', ({ commandName, command }) => sent.push([commandName, command.writeConcern]));

const find = () => Task.findOne();
const changed = async () => Object.assign(await find(), { state: String(Math.random()) });
const writes = {
  create: () => Task.create({ state: 'a' }),
  insertMany: () => Task.insertMany([{ state: 'a' }, { state: 'b' }]),
  save: async () => (await changed()).save(),
  bulkSave: async () => Task.bulkSave([await changed()]),
  updateMany: () => Task.updateMany({}, { state: 'c' }),
  'bulkWrite, updateMany': () => Task.bulkWrite([{ updateMany: { filter: {}, update: { state: 'd' } } }]),
  findOneAndUpdate: () => Task.findOneAndUpdate({}, { state: 'e' }),
  deleteMany: () => Task.deleteMany({ state: 'b' }),
};
for (const [name, write] of Object.entries(writes)) {
  sent = [];
  await write();
  const concerns = sent.filter(([command]) => command !== 'find').map(([, concern]) => JSON.stringify(concern));
  console.log(`${name}: ${[...new Set(concerns)].join(', ')}`);
}
await connection.dropDatabase();
await connection.close();
PROGRAM
found=$(
  for package in mongoose-8 mongoose-9; do
    echo "$package"
    node concern.mjs "$package"
  done
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
mongoose-8
create: {"w":"majority","j":true}
insertMany: {"w":1}
save: {"w":"majority","j":true}
bulkSave: {"w":1}
updateMany: {"w":"majority","j":true}
bulkWrite, updateMany: {"w":1}
findOneAndUpdate: {"w":"majority","j":true}
deleteMany: {"w":"majority","j":true}
mongoose-9
create: {"w":"majority","j":true}
insertMany: {"w":1}
save: {"w":"majority","j":true}
bulkSave: {"w":1}
updateMany: {"w":"majority","j":true}
bulkWrite, updateMany: {"w":1}
findOneAndUpdate: {"w":"majority","j":true}
deleteMany: {"w":"majority","j":true}
SEEN
