#!/usr/bin/env bash
# `removeOnComplete: { count }` of BullMQ on PostgreSQL: what a job costs when it completes while as many as shall be kept are there. The guide to
# that backend advises retention, so that finished jobs do not make the table slow. PostgreSQL's `auto_explain` writes down how a statement was run.
# Needs PostgreSQL's `initdb` and `postgres`, which it starts for itself on a socket.
#
# Guess: one job comes and the oldest goes, by the index of finished jobs: the same few rows, however many are kept. So it is on Redis.
# Seen: with BullMQ 6.7.0 on PostgreSQL (15) each completion makes a list of all that are kept and goes through them to find the one that is not in
# it, before it gives the worker its next job. With 10000 kept a job took 7 ms instead of 2, with 50000 31 ms. A list that is too long for `work_mem`
# is no hash table any more: then each kept job is compared with the list one by one. With the default of 4 MB the plan says so for 200000, not for
# 150000; here `work_mem` is lowered so that the step comes at 5000. The way out: `removeOnComplete: { age }`, which uses the index, or `true`.
set -euo pipefail
folder=$(mktemp -d)
postgres=
trap 'for server in $postgres; do kill "$server"; wait "$server" || true; done; rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund bullmq@6.7.0 ioredis@6.0.0 pg@8.23.1 >/dev/null

PATH="$PATH:$(printf '%s:' /usr/lib/postgresql/*/bin)"
as=()
if [ "$(id -u)" = 0 ]; then
  chown postgres "$folder"
  as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
fi
"${as[@]}" initdb --pgdata="$folder/data" --auth=trust --username=finding >/dev/null
explain=(-c shared_preload_libraries=auto_explain -c auto_explain.log_nested_statements=on -c auto_explain.log_format=json)
"${as[@]}" postgres -D "$folder/data" -k "$folder" -c listen_addresses= -c fsync=off "${explain[@]}" >postgres.log 2>&1 &
postgres=$!
until grep -qs 'ready to accept connections' postgres.log; do sleep 0.1; done

found=$(node --input-type=module <<'PROGRAM'
import { readFile } from 'node:fs/promises';
import { createPostgresBackend, Queue, Worker } from 'bullmq';
import pg from 'pg';

const connection = { host: process.cwd(), user: 'finding', database: 'postgres', migrate: true };

// The statements that delete jobs for retention, with their plans and what they did, as the server has logged them.
async function deletions() {
  const log = await readFile('postgres.log', 'utf8');
  const entries = log.split(/plan:\n/).slice(1).map((entry) => JSON.parse(entry.slice(0, entry.indexOf('\n\t}') + 3)));
  return entries.filter((entry) => /^\s*DELETE FROM job\s+WHERE queue = p_queue\s+AND state = p_state/.test(entry['Query Text']));
}

async function costOf(kept, removeOnComplete, workMem) {
  const schema = `kept_${kept}_${workMem}_${Object.keys(removeOnComplete)}`.toLowerCase();
  const queue = new Queue('emails', { connection: { ...connection, schema } }, createPostgresBackend);
  async function complete(jobs, options, more) {
    await queue.addBulk(jobs);
    const settings = { ...options, connection: { ...connection, schema, ...more } };
    const worker = new Worker('emails', async () => {}, settings, createPostgresBackend);
    let completed = 0;
    await new Promise((resolve) => worker.on('completed', () => ++completed === jobs.length && resolve()));
    await worker.close();
  }
  await queue.waitUntilReady();
  await complete(Array.from({ length: kept }, () => ({ name: 'email', data: {} })), { concurrency: 5 });
  const client = new pg.Client(connection);
  await client.connect();
  await client.query(`ANALYZE ${schema}.job`);

  const options = `-c work_mem=${workMem} -c auto_explain.log_analyze=on -c auto_explain.log_min_duration=0`;
  await complete([{ name: 'email', data: {} }], { removeOnComplete }, { options });
  const { completed } = await queue.getJobCounts('completed');
  const { Plan: plan } = (await deletions()).at(-1);
  const scan = plan.Plans[0];
  const looked = scan['Actual Rows'] + (scan['Rows Removed by Filter'] ?? 0);
  const list = /hashed SubPlan/.test(scan.Filter) ? 'a hash table' : /SubPlan/.test(scan.Filter) ? 'compared one by one' : 'none';
  console.log(`${JSON.stringify(removeOnComplete)}, work_mem ${workMem}: jobs looked at ${looked}, deleted ${kept + 1 - completed}, list ${list}`);
  await client.end();
  await queue.close();
}

await costOf(1000, { age: 3600 }, '4MB');
await costOf(1000, { count: 1000 }, '4MB');
await costOf(5000, { count: 5000 }, '4MB');
await costOf(5000, { count: 5000 }, '64kB');
process.exit(0);
PROGRAM
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
{"age":3600}, work_mem 4MB: jobs looked at 0, deleted 0, list none
{"count":1000}, work_mem 4MB: jobs looked at 1001, deleted 1, list a hash table
{"count":5000}, work_mem 4MB: jobs looked at 5001, deleted 1, list a hash table
{"count":5000}, work_mem 64kB: jobs looked at 5001, deleted 1, list compared one by one
SEEN
