#!/usr/bin/env bash
# The metric `db.client.connection.count` of OpenTelemetry's instrumentation of the MongoDB driver, for a pool of at most two connections.
# MONGODB_URI names a server, of which the database `finding` is used and dropped.
#
# Guess: it is the number of connections by state; used and idle together are at most two, and none after the client is closed.
# Seen: with @opentelemetry/instrumentation-mongodb 0.77.0 and driver 7.9.0 it counts logical sessions, not connections: ten sessions that are open
# and do nothing are ten connections in use, and nine stay idle after the close. It says nothing of a pool that is exhausted. The issues 2990 and 3482
# of opentelemetry-js-contrib call it a drift. The driver's own events, `connectionCreated` to `connectionClosed`, tell the truth.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund mongodb@7.9.0 @opentelemetry/api@1.10.0 @opentelemetry/instrumentation@0.300.0 \
  @opentelemetry/instrumentation-mongodb@0.77.0 @opentelemetry/sdk-metrics@3.1.1 >/dev/null

cat >count.cjs <<'PROGRAM'
const { registerInstrumentations } = require('@opentelemetry/instrumentation');
const { MongoDBInstrumentation } = require('@opentelemetry/instrumentation-mongodb');
const { MeterProvider, MetricReader } = require('@opentelemetry/sdk-metrics');

class Reader extends MetricReader {
  async onForceFlush() {}
  async onShutdown() {}
}
const reader = new Reader();
registerInstrumentations({ meterProvider: new MeterProvider({ readers: [reader] }), instrumentations: [new MongoDBInstrumentation()] });
const { MongoClient } = require('mongodb');

const main = async () => {
  const client = new MongoClient(process.env.MONGODB_URI, { maxPoolSize: 2 });
  let connections = 0;
  client.on('connectionCreated', () => connections++);
  client.on('connectionClosed', () => connections--);
  const tasks = client.db('finding').collection('tasks');
  await tasks.insertOne({ state: 'CREATED' });

  const show = async (name) => {
    const { resourceMetrics } = await reader.collect();
    const [{ metrics }] = resourceMetrics.scopeMetrics;
    const { dataPoints } = metrics.find(({ descriptor }) => descriptor.name === 'db.client.connection.count');
    const counts = dataPoints.map(({ attributes, value }) => `${attributes['db.client.connection.state']} ${value}`);
    console.log(`${name}: ${counts.sort().join(', ')}; real ones: ${connections <= 2 ? (connections > 0 ? 'one or two' : 'none') : 'more'}`);
  };
  const sessions = Array.from({ length: 10 }, () => client.startSession());
  for (const session of sessions) await tasks.findOne({}, { session });
  await show('ten sessions open');
  for (const session of sessions) await session.endSession();
  await show('sessions ended');
  await client.db('finding').dropDatabase();
  await client.close();
  await show('client closed');
};
main();
PROGRAM
found=$(node count.cjs)
echo "$found"

diff <(echo "$found") - <<'SEEN'
ten sessions open: idle 0, used 10; real ones: one or two
sessions ended: idle 10, used 0; real ones: one or two
client closed: idle 9, used 0; real ones: none
SEEN
