#!/usr/bin/env bash
# Jobs of BullMQ that are waited for with `waitUntilFinished()`, by the two backends of BullMQ 6: rounds of 100 jobs, one worker with a concurrency of
# ten, and one `QueueEvents`. Needs `redis-server`, and PostgreSQL's `initdb` and `postgres`; it starts both for itself on sockets.
#
# Guess: each `completed` event arrives. The guide on events tells of losses when more than `maxLen` (10000) are unread, and there are a few hundred.
# Seen: with BullMQ 6.7.0 on PostgreSQL (15) some never arrive, and who waits for such a job without a ttl waits for ever, though it has completed;
# on Redis all arrive. The event is in the table: its id comes from a sequence when it is written, and is seen when its transaction commits, which is
# another order. `QueueEvents` asks for ids above the last one it had, so what commits behind that is never read, nor told. `added`, `waiting` and
# `active` were lost in the same way; of 300 `completed` of two workers with a concurrency of one, while jobs were added, 4 were. The worker's own
# events are whole. The way out: give `waitUntilFinished()` a ttl and call it again when it rejects, since it looks at the job itself first.
set -euo pipefail
folder=$(mktemp -d)
redis=
postgres=
trap 'for server in $redis $postgres; do kill "$server"; wait "$server" || true; done; rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund bullmq@6.7.0 ioredis@6.0.0 pg@8.23.1 >/dev/null
redis-server --port 0 --unixsocket "$folder/redis.sock" --save '' --appendonly no >redis.log 2>&1 &
redis=$!

PATH="$PATH:$(printf '%s:' /usr/lib/postgresql/*/bin)"
as=()
if [ "$(id -u)" = 0 ]; then
  chown postgres "$folder"
  as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
fi
"${as[@]}" initdb --pgdata="$folder/data" --auth=trust --username=finding >/dev/null
"${as[@]}" postgres -D "$folder/data" -k "$folder" -c listen_addresses= -c fsync=off >postgres.log 2>&1 &
postgres=$!
until [ -S redis.sock ] && grep -qs 'ready to accept connections' postgres.log; do sleep 0.1; done

found=$(node --input-type=module <<'PROGRAM'
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { createPostgresBackend, Queue, QueueEvents, Worker } from 'bullmq';
import pg from 'pg';

const postgres = { host: process.cwd(), user: 'finding', database: 'postgres' };
const backends = {
  Redis: [{ connection: { path: 'redis.sock', maxRetriesPerRequest: null } }],
  PostgreSQL: [{ connection: { ...postgres, migrate: true } }, createPostgresBackend],
};

// 100 jobs are waited for, then processed. When the event of a job that was added after all of them had completed is here, no older one can follow.
async function lostOf(name, [options, ...backend]) {
  const queue = new Queue(name, options, ...backend);
  queue.setMaxListeners(0);
  const events = new QueueEvents(name, { ...options, lastEventId: '0' }, ...backend);
  await events.waitUntilReady();
  const arrived = new Set();
  events.on('completed', ({ jobId }) => arrived.add(jobId));

  const jobs = await queue.addBulk(Array.from({ length: 100 }, () => ({ name: 'email', data: {} })));
  const waiting = new Set();
  for (const job of jobs) {
    waiting.add(job.id);
    job.waitUntilFinished(events).then(() => waiting.delete(job.id), () => {});
  }
  const worker = new Worker(name, async () => {}, { ...options, concurrency: 10, autorun: false }, ...backend);
  let ends = 0;
  const all = new Promise((resolve) => worker.on('completed', () => ++ends === jobs.length && resolve()));
  worker.run();
  await all;
  const completed = await queue.getCompletedCount();
  const later = [];
  while (!later.some((id) => arrived.has(id))) {
    later.push((await queue.add('email', {})).id);
    await once(events, 'completed', { signal: AbortSignal.timeout(5000) }).catch(() => {});
  }
  await setImmediate();

  const lost = jobs.map((job) => job.id).filter((id) => !arrived.has(id));
  const stillWaiting = lost.filter((id) => waiting.has(id));
  const states = await Promise.all(lost.map((id) => queue.getJobState(id)));
  const lostJobs = jobs.filter((job) => lost.includes(job.id));
  const again = await Promise.allSettled(lostJobs.map((job) => job.waitUntilFinished(events, 60_000)));
  const resolved = again.every(({ status }) => status === 'fulfilled');
  await worker.close();
  await events.close();
  await queue.close();
  return { completed, lost, stillWaiting, states, resolved };
}

for (const [name, backend] of Object.entries(backends)) {
  let rounds = 0;
  let result;
  do {
    result = await lostOf(`${name}-${rounds}`, backend);
  } while (++rounds < 20 && result.stillWaiting.length === 0);

  const { completed, lost, stillWaiting, states, resolved } = result;
  const some = (list) => (list.length === 0 ? 'none' : 'some');
  console.log(`${name}: completed ${completed}, events that never arrive: ${some(lost)}, callers that wait for ever: ${some(stillWaiting)}`);
  if (lost.length > 0) {
    const client = new pg.Client(postgres);
    await client.connect();
    const { rows } = await client.query(
      `SELECT DISTINCT data->>'jobId' FROM bullmq.event WHERE queue = $1 AND event = 'completed' AND data->>'jobId' = ANY($2)`,
      [`${name}-${rounds - 1}`, lost],
    );
    await client.end();
    const inTable = rows.length === lost.length ? 'all' : rows.length;
    const again = resolved ? 'resolves' : 'rejects';
    console.log(`  these jobs: ${[...new Set(states)]}; their events in the table: ${inTable}; waited for once more: ${again}`);
  }
}
process.exit(0);
PROGRAM
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
Redis: completed 100, events that never arrive: none, callers that wait for ever: none
PostgreSQL: completed 100, events that never arrive: some, callers that wait for ever: some
  these jobs: completed; their events in the table: all; waited for once more: resolves
SEEN
