#!/usr/bin/env bash
# Two processes change one task, whose schema has `optimisticConcurrency: true`; one of them loaded it with `select('state')`.
# MONGODB_URI names a server, of which the database `finding` is used and dropped.
#
# Guess: the later `save()` rejects with a VersionError, whoever it is; or at least the process that loaded all fields is safe.
# Seen: with Mongoose 9.12.1 and 8.24.10 the later one writes over the other, in either order. Without `__v` in its projection a document is saved
# with no check, and does not raise the version either, so that one process which selects fields takes the check from all the others. To take a field
# away (`-log`) is safe, and so is `select('state __v')`. `doc.deleteOne()` has no check at all. Issue 1049 asked of the projection in 2012.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund mongoose-8@npm:mongoose@8.24.10 mongoose-9@npm:mongoose@9.12.1 >/dev/null

cat >concurrent.mjs <<'PROGRAM'
const { default: mongoose } = await import(process.argv[2]);
const connection = await mongoose.createConnection(process.env.MONGODB_URI, { dbName: 'finding' }).asPromise();
await connection.dropDatabase();
const Task = connection.model('Task', new mongoose.Schema({ state: String, log: String }, { optimisticConcurrency: true }));

const run = async (name, ours, theirs, finish) => {
  const { _id } = await Task.create({ state: 'CREATED', log: '' });
  const mine = await Task.findById(_id).select(ours);
  const other = await Task.findById(_id).select(theirs);
  other.state = 'CANCELED';
  await other.save();
  const outcome = await finish(mine).then(() => 'written', (error) => error.name);
  const stored = await Task.findById(_id);
  console.log(`${name}: ${outcome}, ${stored ? `state ${stored.state}, version ${stored.__v}` : 'gone'}`);
};
const start = async (task) => {
  task.state = 'RUNNING';
  await task.save();
};
await run('both whole', null, null, start);
await run('later one selects state', 'state', null, start);
await run('earlier one selects state', null, 'state', start);
await run('later one selects state and __v', 'state __v', null, start);
await run('later one selects -log', '-log', null, start);
await run('later one deletes', null, null, (task) => task.deleteOne());
await connection.dropDatabase();
await connection.close();
PROGRAM
found=$(
  for package in mongoose-8 mongoose-9; do
    echo "$package"
    node concurrent.mjs "$package"
  done
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
mongoose-8
both whole: VersionError, state CANCELED, version 1
later one selects state: written, state RUNNING, version 1
earlier one selects state: written, state RUNNING, version 1
later one selects state and __v: VersionError, state CANCELED, version 1
later one selects -log: VersionError, state CANCELED, version 1
later one deletes: written, gone
mongoose-9
both whole: VersionError, state CANCELED, version 1
later one selects state: written, state RUNNING, version 1
earlier one selects state: written, state RUNNING, version 1
later one selects state and __v: VersionError, state CANCELED, version 1
later one selects -log: VersionError, state CANCELED, version 1
later one deletes: written, gone
SEEN
