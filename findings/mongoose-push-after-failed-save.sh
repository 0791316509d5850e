#!/usr/bin/env bash
# A worker writes two lines to a log in its task by `push()` of Mongoose. The `save()` after the first line is rejected by the database, here for a
# duplicate key; the worker catches it, mends the key, writes the second line and saves again, with success.
# MONGODB_URI names a server, of which the database `finding` is used and dropped.
#
# Guess: Mongoose keeps what was not saved, so the second `save()` writes both lines; or at least the document and the database agree after it.
# Seen: with Mongoose 9.12.1 and 8.24.10 this is so for an array of the document itself. Of an array in a subdocument, an element of a document array
# or a map of subdocuments, only the second line is sent: the first one is in the document, not in the database, and nothing tells. The same is true
# of `addToSet()`, and of `pull()`, whose first element stays. The cause: such an array is reset twice before the update is sent, by the subdocument
# and by the document, and the second time overwrites the backup that a failure shall bring back. An error of validation comes before that and loses
# nothing. The way out: find the document anew when a `save()` was rejected, or assign a copy of the array, which is sent as a whole.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund mongoose-8@npm:mongoose@8.24.10 mongoose-9@npm:mongoose@9.12.1 >/dev/null

cat >log.mjs <<'PROGRAM'
const { default: mongoose } = await import(process.argv[2]);
const connection = await mongoose.createConnection(process.env.MONGODB_URI, { dbName: 'finding' }).asPromise();
await connection.dropDatabase();
const step = new mongoose.Schema({ log: [String] });
const key = { type: String, unique: true, sparse: true, validate: (value) => value !== 'invalid' };
const Task = connection.model('Task', new mongoose.Schema({ key, log: [String], step, steps: [step], map: { type: Map, of: step } }));
await Task.init();
await Task.create({ key: 'taken' });

const logs = {
  document: (task) => task.log,
  subdocument: (task) => task.step.log,
  'document array': (task) => task.steps[0].log,
  map: (task) => task.map.get('first').log,
};
const run = async (name, { place, wrongKey = 'taken', log = [], change, repair = () => {} }) => {
  const getLog = logs[place];
  const { _id } = await Task.create({ log, step: { log }, steps: [{ log }], map: { first: { log } } });
  const task = await Task.findById(_id);
  change(getLog(task), 'first');
  task.key = wrongKey;
  const reason = await task.save().then(() => 'none', ({ code, name }) => code ?? name);
  task.key = undefined;
  change(getLog(task), 'second');
  repair(task);
  await task.save();
  const stored = getLog(await Task.findById(_id));
  console.log(`${name}, ${reason}, ${place}: document [${getLog(task).join(', ')}], database [${stored.join(', ')}]`);
};
const push = (array, line) => array.push(line);
for (const place of Object.keys(logs)) await run('push', { place, change: push });
const place = 'subdocument';
await run('addToSet', { place, change: (array, line) => array.addToSet(line) });
await run('pull', { place, change: (array, line) => array.pull(line), log: ['first', 'second', 'third'] });
await run('push', { place, wrongKey: 'invalid', change: push });
await run('push and a copy assigned', { place, change: push, repair: (task) => (task.step.log = [...task.step.log]) });
await connection.dropDatabase();
await connection.close();
PROGRAM
found=$(
  for package in mongoose-8 mongoose-9; do
    echo "$package"
    node log.mjs "$package"
  done
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
mongoose-8
push, 11000, document: document [first, second], database [first, second]
push, 11000, subdocument: document [first, second], database [second]
push, 11000, document array: document [first, second], database [second]
push, 11000, map: document [first, second], database [second]
addToSet, 11000, subdocument: document [first, second], database [second]
pull, 11000, subdocument: document [third], database [first, third]
push, ValidationError, subdocument: document [first, second], database [first, second]
push and a copy assigned, 11000, subdocument: document [first, second], database [first, second]
mongoose-9
push, 11000, document: document [first, second], database [first, second]
push, 11000, subdocument: document [first, second], database [second]
push, 11000, document array: document [first, second], database [second]
push, 11000, map: document [first, second], database [second]
addToSet, 11000, subdocument: document [first, second], database [second]
pull, 11000, subdocument: document [third], database [first, third]
push, ValidationError, subdocument: document [first, second], database [first, second]
push and a copy assigned, 11000, subdocument: document [first, second], database [first, second]
SEEN
