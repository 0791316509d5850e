#!/usr/bin/env bash
# The backlog of a paused queue, by the two backends of BullMQ 6: two jobs wait, and the queue is paused, as one does for a deployment.
# Needs `redis-server`, and PostgreSQL's `initdb` and `postgres`; it starts both for itself on sockets.
#
# Guess: the same numbers: the guide says that the PostgreSQL backend runs the exact same API, and BullMQ 6 has no state `paused` any more.
# Seen: with BullMQ 6.7.0 the backlog vanishes on PostgreSQL (15) with the pause: `getJobCounts()` has no job in any state, and `count()` is 0, so an
# alarm or an autoscaler sees an empty queue; on Redis both say 2. The backend still tells the jobs as `paused`, a state that `getJobCounts()`
# does not ask for by itself. The sum of `getJobCounts('waiting', 'paused')` is right on both.
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
until [ -S redis.sock ] && grep -q 'ready to accept connections' postgres.log; do sleep 0.1; done

found=$(node --input-type=module <<'PROGRAM'
import { createPostgresBackend, Queue } from 'bullmq';

const backends = {
  Redis: [{ connection: { path: 'redis.sock', maxRetriesPerRequest: null } }],
  PostgreSQL: [{ connection: { host: process.cwd(), user: 'finding', database: 'postgres', migrate: true } }, createPostgresBackend],
};
for (const [name, backend] of Object.entries(backends)) {
  const queue = new Queue('emails', ...backend);
  await queue.add('email', {});
  await queue.add('email', {});
  const before = await queue.count();
  await queue.pause();
  const all = Object.entries(await queue.getJobCounts()).filter(([, count]) => count > 0);
  const { waiting, paused } = await queue.getJobCounts('waiting', 'paused');
  const after = await queue.count();
  console.log(`${name}: count ${before}, after the pause ${after}, all counts ${JSON.stringify(all)}, waiting ${waiting}, paused ${paused}`);
  await queue.close();
}
PROGRAM
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
Redis: count 2, after the pause 2, all counts [["waiting",2]], waiting 2, paused 0
PostgreSQL: count 2, after the pause 0, all counts [], waiting 0, paused 2
SEEN
