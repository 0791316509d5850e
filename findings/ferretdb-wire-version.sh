#!/usr/bin/env bash
# A server that speaks MongoDB's protocol, FerretDB 1.24 on SQLite, and lacks what a queue needs. Needs Go; builds for some minutes.
#
# Guess: its wire version is that of the MongoDB whose features it has, so a check of the wire version refuses it.
# Seen: it tells the wire version of MongoDB 7, and takes inserts: tasks would be pushed that nothing can claim. It has no partial indexes (238) and
# no updates by pipelines (14). Its `hello` has no `topologyVersion`, which every MongoDB has told since 4.4, and its `buildInfo` has a
# `ferretdbVersion`.
set -euo pipefail
folder=$(mktemp -d)
server=
trap 'if [ -n "$server" ]; then kill "$server"; fi; rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund mongodb@7.5.0 >/dev/null

source=$(go mod download -json github.com/FerretDB/FerretDB@v1.24.0 | node -p 'JSON.parse(fs.readFileSync(0)).Dir')
cp -r "$source" ferretdb
chmod -R u+w ferretdb
echo v1.24.0 >ferretdb/build/version/version.txt
(cd ferretdb && go build -o ../server ./cmd/ferretdb)
mkdir state data
./server --handler=sqlite --sqlite-url=file:data/ --listen-addr=127.0.0.1:27559 --debug-addr=- --state-dir=state --telemetry=disable >log 2>&1 &
server=$!

found=$(node --input-type=module <<'PROGRAM'
import { MongoClient } from 'mongodb';

const client = await MongoClient.connect('mongodb://127.0.0.1:27559/?directConnection=true', { retryReads: false });
const db = client.db('finding');
const jobs = db.collection('jobs');
const hello = await db.command({ hello: 1 });
const { ferretdbVersion } = await db.command({ buildInfo: 1 });
console.log(`wire version ${hello.maxWireVersion}, topologyVersion: ${hello.topologyVersion}, ferretdbVersion: ${ferretdbVersion}`);

const attempts = {
  insert: () => jobs.insertOne({ state: 'CREATED' }),
  'partial index': () => jobs.createIndex({ at: 1 }, { partialFilterExpression: { state: 'CREATED' } }),
  'update by a pipeline': () => jobs.updateOne({}, [{ $set: { at: '$$NOW' } }]),
};
for (const [name, attempt] of Object.entries(attempts)) {
  const outcome = await attempt().then(() => 'done', (error) => error.code ?? error.name);
  console.log(`${name}: ${outcome}`);
}
await client.close();
PROGRAM
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
wire version 21, topologyVersion: undefined, ferretdbVersion: v1.24.0
insert: done
partial index: 238
update by a pipeline: 14
SEEN
