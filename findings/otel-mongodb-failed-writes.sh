#!/usr/bin/env bash
# The spans of OpenTelemetry's instrumentation of the MongoDB driver for writes that reject with a duplicate key, as a queue's pushes with a
# key of their own do. MONGODB_URI names a server, of which the database `finding` is used and dropped.
#
# Guess: the span of a write that rejects has the status ERROR, as the semantic conventions have it for an exception.
# Seen: with @opentelemetry/instrumentation-mongodb 0.77.0 and driver 7.9.0 only `findOneAndUpdate` has it. Spans of inserts, updates and bulk writes
# look like those of a success: the server answers `ok: 1` with `writeErrors` inside, and the instrumentation wraps the command below the place
# where the driver makes an error of these. So a share of errors by spans misses all failed pushes and counts failed claims.
# A `responseHook` can set the status, but not by `data.writeErrors`, which is undefined: it gets the driver's lazy document, and
# `data.toObject()` has them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund mongodb@7.9.0 @opentelemetry/api@1.10.0 @opentelemetry/context-async-hooks@3.1.1 \
  @opentelemetry/instrumentation@0.300.0 @opentelemetry/instrumentation-mongodb@0.77.0 @opentelemetry/sdk-trace@3.1.1 >/dev/null

cat >spans.cjs <<'PROGRAM'
const { context, SpanStatusCode } = require('@opentelemetry/api');
const { AsyncLocalStorageContextManager } = require('@opentelemetry/context-async-hooks');
const { registerInstrumentations } = require('@opentelemetry/instrumentation');
const { MongoDBInstrumentation } = require('@opentelemetry/instrumentation-mongodb');
const { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } = require('@opentelemetry/sdk-trace');

const exporter = new InMemorySpanExporter();
const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
const instrumentation = new MongoDBInstrumentation({ requireParentSpan: false });
registerInstrumentations({ tracerProvider, instrumentations: [instrumentation] });
const { MongoClient } = require('mongodb');

const main = async () => {
  const client = await MongoClient.connect(process.env.MONGODB_URI);
  const database = client.db('finding');
  await database.dropDatabase();
  const tasks = database.collection('tasks');
  await tasks.insertOne({ _id: 'welcome', state: 'DONE' });
  const again = { _id: 'welcome', state: 'CREATED' };

  const run = async (name, write) => {
    exporter.reset();
    const outcome = await write().then(() => 'done', ({ code }) => `rejects with ${code}`);
    const spans = exporter.getFinishedSpans();
    console.log(`${name} ${outcome}: ${spans.map((span) => `${span.name.split(' ')[0]} ${SpanStatusCode[span.status.code]}`).join(', ')}`);
  };
  await run('insertOne', () => tasks.insertOne(again));
  await run('insertMany', () => tasks.insertMany([again]));
  await run('updateOne', () => tasks.updateOne(again, { $set: { at: 1 } }, { upsert: true }));
  await run('bulkWrite', () => tasks.bulkWrite([{ insertOne: { document: again } }]));
  await run('findOneAndUpdate', () => tasks.findOneAndUpdate(again, { $set: { at: 1 } }, { upsert: true }));

  const responseHook = (span, { data }) => {
    if (data.toObject().writeErrors) span.setStatus({ code: SpanStatusCode.ERROR });
  };
  instrumentation.setConfig({ requireParentSpan: false, responseHook });
  await run('insertOne, hook', () => tasks.insertOne(again));
  await database.dropDatabase();
  await client.close();
};
main();
PROGRAM
found=$(node spans.cjs)
echo "$found"

diff <(echo "$found") - <<'SEEN'
insertOne rejects with 11000: insert UNSET
insertMany rejects with 11000: insert UNSET
updateOne rejects with 11000: update UNSET
bulkWrite rejects with 11000: insert UNSET
findOneAndUpdate rejects with 11000: findAndModify ERROR
insertOne, hook rejects with 11000: insert ERROR
SEEN
