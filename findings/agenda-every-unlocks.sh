#!/usr/bin/env bash
# A recurring job of Agenda that takes longer than its interval, such as an import each minute that has much to do now and then, while one more
# instance of the service starts and calls the same `every()`, as each instance does. MONGODB_URI names a server, of which the database `finding`
# is used and dropped.
#
# Guess: `every()` makes a job of the type `single` and may be called by each instance; the lock of the run keeps the others away for ten minutes.
# Seen: with agenda 6.2.6 (@agendajs/mongo-backend 4.0.3) the job runs twice at the same time. `every()` writes all fields of the job that is there,
# and those it does not know as null: `lockedAt` too, so that the lock of a run is gone, and the instance that has just started takes the job, as its
# next time has passed. So it can at each deployment, without an error. An instance that only defines the job and does not call `every()` leaves it
# alone. The last run and its failure are forgotten in the same way: a dashboard shows a job that has never run. Issue 1778, closed, was about
# the same with `stop()`. The way out: call `every()` only if `queryJobs()` does not have the job with that interval.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund agenda@6.2.6 @agendajs/mongo-backend@4.0.3 mongodb@7.5.0 >/dev/null

found=$(node --no-warnings --input-type=module <<'PROGRAM'
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { Agenda } from 'agenda';
import { MongoBackend } from '@agendajs/mongo-backend';
import { MongoClient } from 'mongodb';

const client = await MongoClient.connect(process.env.MONGODB_URI);
const db = client.db('finding');
const jobs = db.collection('agendaJobs');

async function runsAtOnce(callsEvery) {
  await db.dropDatabase();
  const running = new Set();
  let most = 0;
  let end;
  const ended = new Promise((resolve) => (end = resolve));
  async function start(name, every) {
    const agenda = new Agenda({ backend: new MongoBackend({ mongo: db }), processEvery: 100, name });
    await agenda.ready;
    agenda.define('import', async () => {
      running.add(name);
      most = Math.max(most, running.size);
      await ended;
      running.delete(name);
    });
    agenda.define(`other of ${name}`, async () => {});
    if (every) await agenda.every('1 second', 'import');
    await agenda.start();
    return agenda;
  }

  const first = await start('first', true);
  if (running.size === 0) await once(first, 'start:import');
  while ((await jobs.countDocuments({ name: 'import', nextRunAt: { $lte: new Date() } })) === 0) await setTimeout(100);
  const before = await jobs.findOne({ name: 'import' });

  // The second instance looks for jobs again and again until it has done ten of its own.
  const second = await start('second', callsEvery);
  for (let time = 0; time < 10; time++) {
    const complete = once(second, 'complete:other of second');
    await second.now('other of second', {});
    await complete;
  }
  const started = [...running].sort().join(' and ');
  end();
  while (running.size > 0) await setTimeout(100);
  await first.stop();
  await second.stop();
  return `locked before ${before.lockedAt !== null}, running in ${started}, at once ${most}`;
}

async function failureKept() {
  await db.dropDatabase();
  const agenda = new Agenda({ backend: new MongoBackend({ mongo: db }), processEvery: 100 });
  await agenda.ready;
  agenda.define('report', async () => {
    throw new Error('no disk');
  });
  await agenda.every('1 hour', 'report');
  const complete = once(agenda, 'complete:report');
  await agenda.start();
  await complete;
  const known = async () => {
    const job = await jobs.findOne({ name: 'report' });
    return `failReason ${job.failReason}, failCount ${job.failCount}, lastRunAt ${job.lastRunAt && 'a time'}`;
  };
  const before = await known();
  await agenda.every('1 hour', 'report');
  const after = await known();
  await agenda.stop();
  return `${before}; after every(): ${after}`;
}

console.log(`a second instance without every(): ${await runsAtOnce(false)}`);
console.log(`a second instance with every(): ${await runsAtOnce(true)}`);
console.log(`a job that has failed: ${await failureKept()}`);
await db.dropDatabase();
await client.close();
process.exit(0);
PROGRAM
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
a second instance without every(): locked before true, running in first, at once 1
a second instance with every(): locked before true, running in first and second, at once 2
a job that has failed: failReason no disk, failCount 1, lastRunAt a time; after every(): failReason null, failCount null, lastRunAt null
SEEN
