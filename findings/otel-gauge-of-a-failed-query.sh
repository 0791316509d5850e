#!/usr/bin/env bash
# The number of tasks by state as an observable gauge of OpenTelemetry, whose callback asks the database at each collection. First there are queued
# and failed tasks, then no failed ones, then the query rejects.
#
# Guess: a state that the callback does not observe any more is not exported, and a collection whose callback rejects has no points of that gauge,
# so that an alert for missing data sees a database that is down.
# Seen: with @opentelemetry/sdk-metrics 3.1.1 and cumulative temporality, which the Prometheus and OTLP exporters have by default, both are exported
# with their last values and a new time, for as long as the process runs; the error goes to the diagnostic logger only. The specification says SHOULD
# NOT, the issue 4096 of opentelemetry-js is open since 2023. Delta temporality does what was guessed for a gauge. The way out: observe a 0
# for every state, and a gauge beside it that counts the age of the last answer.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @opentelemetry/api@1.10.0 @opentelemetry/sdk-metrics@3.1.1 >/dev/null

found=$(node --input-type=module <<'PROGRAM'
import { AggregationTemporality, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';

class Reader extends MetricReader {
  async onForceFlush() {}
  async onShutdown() {}
}

for (const temporality of ['CUMULATIVE', 'DELTA']) {
  const reader = new Reader({ aggregationTemporalitySelector: () => AggregationTemporality[temporality] });
  const gauge = new MeterProvider({ readers: [reader] }).getMeter('queue').createObservableGauge('tasks');
  let query;
  gauge.addCallback(async (result) => {
    for (const [state, count] of Object.entries(await query())) result.observe(count, { state });
  });
  const collect = async (name, answer) => {
    query = answer;
    const { resourceMetrics, errors } = await reader.collect();
    const points = resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics).flatMap(({ dataPoints }) => dataPoints);
    const texts = points.map(({ attributes, value }) => `${attributes.state} ${value}`);
    console.log(`${temporality}, ${name}: ${texts.join(', ') || 'nothing'}; errors ${errors.length}`);
  };
  await collect('both states', async () => ({ queued: 3, failed: 1 }));
  await collect('no failed ones', async () => ({ queued: 2 }));
  await collect('database down', () => Promise.reject(new Error('no connection')));
}
PROGRAM
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
CUMULATIVE, both states: queued 3, failed 1; errors 0
CUMULATIVE, no failed ones: queued 2, failed 1; errors 0
CUMULATIVE, database down: queued 2, failed 1; errors 1
DELTA, both states: queued 3, failed 1; errors 0
DELTA, no failed ones: queued 2; errors 0
DELTA, database down: nothing; errors 1
SEEN
