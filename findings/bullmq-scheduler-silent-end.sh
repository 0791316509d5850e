#!/usr/bin/env bash
# A job scheduler of BullMQ, "every day at 09:00" in Australia/Lord_Howe, over the day before the clock there goes back half an hour (4 April 2027).
# The program runs on a clock that is set to two seconds before 09:00 of 3 April. Needs `redis-server`, which it starts for itself on a socket.
#
# Guess: 09:00 is seven hours from the change, so the job runs every day; if the next time could not be found, there would be an error.
# Seen: with BullMQ 6.7.0 it runs on 3 April, and never again. Its cron-parser 5.10.3 throws "loop limit exceeded" for many searches that
# passes that change, and BullMQ's default `repeatStrategy` takes any error of it for "no next time": nothing is delayed any more, the worker
# has no `error`, and `getJobSchedulers()` has the scheduler still, with a next time that is past. The same in Australia/Sydney goes on.
set -euo pipefail
folder=$(mktemp -d)
server=
trap 'if [ -n "$server" ]; then kill "$server"; wait "$server" || true; fi; rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund bullmq@6.7.0 ioredis@6.0.0 >/dev/null
redis-server --port 0 --unixsocket "$folder/redis.sock" --save '' --appendonly no >log 2>&1 &
server=$!
until [ -S redis.sock ]; do sleep 0.1; done

found=$(node --input-type=module <<'PROGRAM'
import { once } from 'node:events';

const ahead = Date.parse('2027-04-02T21:59:58Z') - Date.now();
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...values) {
    super(...(values.length > 0 ? values : [RealDate.now() + ahead]));
  }
  static now() {
    return RealDate.now() + ahead;
  }
};

const { Queue, Worker } = await import('bullmq');
const connection = { path: 'redis.sock', maxRetriesPerRequest: null };
const schedule = (queue, tz) => queue.upsertJobScheduler('daily', { pattern: '0 9 * * *', tz }, { name: 'report' });
const zones = ['Australia/Sydney', 'Australia/Lord_Howe'];
const errors = [];
const runs = [];
for (const tz of zones) {
  const queue = new Queue(tz.split('/')[1], { connection });
  const job = await schedule(queue, tz);
  if (!job) throw new Error(`no first job for ${tz}`);
  const worker = new Worker(queue.name, async () => {}, { connection });
  worker.on('error', (error) => errors.push(error));
  runs.push({ queue, tz, worker, completed: once(worker, 'completed') });
}
for (const { queue, tz, worker, completed } of runs) {
  await completed;
  await worker.close();
  const [scheduler] = await queue.getJobSchedulers();
  const { completed: done, failed, delayed } = await queue.getJobCounts();
  const next = new Date(scheduler.next).toISOString().slice(0, 16);
  console.log(`${tz}: completed ${done}, failed ${failed}, delayed ${delayed}, scheduler's next ${next}, errors ${errors.length}`);
  const again = await schedule(queue, tz);
  console.log(`  upserted again: ${again && new Date(again.opts.prevMillis).toISOString().slice(0, 16)}`);
  await queue.close();
}
PROGRAM
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
Australia/Sydney: completed 1, failed 0, delayed 1, scheduler's next 2027-04-03T23:00, errors 0
  upserted again: 2027-04-03T23:00
Australia/Lord_Howe: completed 1, failed 0, delayed 0, scheduler's next 2027-04-02T22:00, errors 0
  upserted again: undefined
SEEN
