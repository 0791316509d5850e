#!/usr/bin/env bash
# What Mongoose does for a `save()` of one changed field that succeeds. MONGODB_URI names a server, of which the database `finding` is used and dropped.
#
# Guess: an error is made where something went wrong.
# Seen: Mongoose 9.12.1 makes a VersionError for each save of a stored document before it is sent, for the conflict that may come, and throws it away;
# Mongoose 8.24.10 a ParallelSaveError besides, each with its stack: a counter of errors in a process counts the good saves. A schema
# with `versionKey: false` has no VersionError made; `updateOne()` makes none in either.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund mongoose@9.12.1 mongoose8@npm:mongoose@8.24.10 >/dev/null

cat >count.cjs <<'PROGRAM'
const [name] = process.argv.slice(2);
const made = {};
for (const file of ['version', 'parallelSave']) {
  const path = require.resolve(`${name}/lib/error/${file}`);
  const Original = require(path);
  require.cache[path].exports = class extends Original {
    constructor(...parameters) {
      super(...parameters);
      made[this.name] = (made[this.name] ?? 0) + 1;
    }
  };
}
const mongoose = require(name);

async function main() {
  await mongoose.connect(process.env.MONGODB_URI, { dbName: 'finding' });
  for (const [title, options] of Object.entries({ usual: {}, 'no versionKey': { versionKey: false } })) {
    const Mail = mongoose.model(title, new mongoose.Schema({ n: Number }, options));
    const mail = await Mail.create({ n: 0 });
    for (const key of Object.keys(made)) delete made[key];
    for (let n = 1; n <= 10; n++) await mail.set({ n }).save();
    console.log(`${name} ${mongoose.version}, ${title}, 10 saves: ${JSON.stringify(made)}`);
  }
  await mongoose.connection.dropDatabase();
  await mongoose.disconnect();
}

main();
PROGRAM

found=$(for name in mongoose mongoose8; do node count.cjs "$name"; done)
echo "$found"

diff <(echo "$found") - <<'SEEN'
mongoose 9.12.1, usual, 10 saves: {"VersionError":10}
mongoose 9.12.1, no versionKey, 10 saves: {}
mongoose8 8.24.10, usual, 10 saves: {"ParallelSaveError":10,"VersionError":10}
mongoose8 8.24.10, no versionKey, 10 saves: {"ParallelSaveError":10}
SEEN
