#!/usr/bin/env bash
# 300 documents are each given a value of their own, twice: by 300 `updateOne` in one `bulkWrite()`, and by one `updateMany()` whose pipeline looks the
# value up in a list, by the place of the `_id` in another. MONGODB_URI names a server, of which the database `finding` is used and dropped.
#
# Guess: the first is quicker or equal: one command as well, by `_id`, and nothing has to be searched, where the second goes through lists of 100 for
# each document.
# Seen: with MongoDB 6.0.5 (driver 7.9.0) the second takes a third of the time: 18 µs a document against 62, on a replica set of one 27 against 105.
# Each statement of a bulk write is an operation of its own to the server, from its plan to its commit. The lists have their limit, since the search is
# linear, and the pipeline has its rules: a path with a dot does not mean what it means to `$set` without one, and of a statement that is
# refused some documents may be written.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund mongodb@7.9.0 >/dev/null

found=$(node --input-type=module <<'PROGRAM'
import { MongoClient } from 'mongodb';

const DOCUMENTS = 300;
const LIST = 100;
const ROUNDS = 30;
const client = await MongoClient.connect(process.env.MONGODB_URI);
const database = client.db('finding');
await database.dropDatabase();
const results = database.collection('results');
await results.createIndex({ state: 1 });

const ways = {
  statements: (ids) =>
    results.bulkWrite(
      ids.map((_id, index) => ({ updateOne: { filter: { _id, state: 'RUNNING' }, update: { $set: { state: 'DONE', value: index } } } })),
      { ordered: false },
    ),
  list: (ids) => {
    const parts = Array.from({ length: DOCUMENTS / LIST }, (_, part) => ids.slice(part * LIST, (part + 1) * LIST));
    return results.bulkWrite(
      parts.map((some, part) => {
        const values = some.map((_, index) => part * LIST + index);
        const value = { $arrayElemAt: [{ $literal: values }, { $indexOfArray: [{ $literal: some }, '$_id'] }] };
        return { updateMany: { filter: { _id: { $in: some }, state: 'RUNNING' }, update: [{ $set: { state: 'DONE', value } }] } };
      }),
      { ordered: false },
    );
  },
};

const took = { statements: [], list: [] };
const right = { statements: true, list: true };
for (let round = -5; round < ROUNDS; round++) {
  for (const [name, write] of Object.entries(ways)) {
    await results.deleteMany({});
    const documents = Array.from({ length: DOCUMENTS }, () => ({ state: 'RUNNING', note: 'x'.repeat(100) }));
    const ids = Object.values((await results.insertMany(documents)).insertedIds);
    const begun = performance.now();
    await write(ids);
    if (round >= 0) took[name].push(performance.now() - begun);
    const found = await results.find({ state: 'DONE' }).sort({ _id: 1 }).toArray();
    right[name] &&= found.length === DOCUMENTS && found.every(({ value }, index) => value === index);
  }
}
const median = (times) => times.sort((a, b) => a - b)[ROUNDS / 2];
console.log(`each has its own value: ${right.statements} and ${right.list}`);
console.log(`a list takes less than two thirds of the time: ${median(took.list) < (median(took.statements) * 2) / 3}`);
console.error(`${((median(took.statements) * 1000) / DOCUMENTS).toFixed(1)} and ${((median(took.list) * 1000) / DOCUMENTS).toFixed(1)} µs a document`);
await database.dropDatabase();
await client.close();
PROGRAM
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
each has its own value: true and true
a list takes less than two thirds of the time: true
SEEN
