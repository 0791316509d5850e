#!/usr/bin/env bash
# Agenda's `debounce()`, as its documentation has it for a search index: each change of a page saves a job with `unique()` and a quiet time, and the
# job runs when the page has been quiet for so long. Here the page changes once more, before the job runs, or while it does.
# MONGODB_URI names a server, of which the database `finding` is used and dropped.
#
# Guess: the last change is always indexed: a change during the run makes the job run again after its quiet time, and not before the run is over.
# Seen: with agenda 6.2.6 (@agendajs/mongo-backend 4.0.3) this is so before the run only. A change during it is saved to the job that runs: when that
# run ends, it writes the times it knew at its start over those, and the new `nextRunAt` is gone. The job holds the new data and never runs with it,
# without an error; `save()` had resolved with a time. If the quiet time is over first, the job runs twice at once, since `save()` takes the lock from
# the run as well. The same loss comes with `unique()` and `schedule()`. Issue 1766 is about another one, that of the strategy `leading`. The way out:
# compare the data with those of the stored job in a listener of `complete`, which comes after that write, and save once more.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund agenda@6.2.6 @agendajs/mongo-backend@4.0.3 mongodb@7.5.0 >/dev/null

found=$(node --no-warnings --input-type=module <<'PROGRAM'
import { once } from 'node:events';
import { Agenda } from 'agenda';
import { MongoBackend } from '@agendajs/mongo-backend';
import { MongoClient } from 'mongodb';

const client = await MongoClient.connect(process.env.MONGODB_URI);
const db = client.db('finding');
const quiet = 5000;

async function versionsRun(scenario) {
  await db.dropDatabase();
  const agenda = new Agenda({ backend: new MongoBackend({ mongo: db }), processEvery: 100 });
  await agenda.ready;
  const page = {
    change: (version) => agenda.create('index', { page: 1, version }).unique({ 'data.page': 1 }).debounce(quiet).save(),
    runs: [],
    running: 0,
    together: 0,
    begun: deferred(),
    both: deferred(),
    end: deferred(),
  };
  agenda.define('index', async ({ attrs }) => {
    page.runs.push(attrs.data.version);
    page.together = Math.max(page.together, ++page.running);
    page.begun.resolve();
    if (page.running === 2) page.both.resolve();
    await page.end.promise;
    page.running--;
  });
  agenda.define('later', async () => {});
  await agenda.start();
  await page.change(1);
  await scenario(page, agenda);

  // A job that is due after the quiet time of all changes has run.
  const later = once(agenda, 'complete:later');
  await agenda.schedule(new Date(Date.now() + quiet + 1000), 'later', {});
  await later;
  const stored = await db.collection('agendaJobs').findOne({ name: 'index' });
  await agenda.stop();
  const due = stored.nextRunAt === null ? 'never' : 'later';
  return `versions run ${page.runs.join(' and ')}, at once ${page.together}, stored version ${stored.data.version}, due ${due}`;
}

function deferred() {
  let resolve;
  const promise = new Promise((then) => (resolve = then));
  return { promise, resolve };
}

const before = async (page, agenda) => {
  await page.change(2);
  const complete = once(agenda, 'complete:index');
  page.end.resolve();
  await complete;
};
const during = async (page, agenda) => {
  await page.begun.promise;
  await page.change(2);
  const complete = once(agenda, 'complete:index');
  page.end.resolve();
  await complete;
};
const duringLong = async (page) => {
  await page.begun.promise;
  await page.change(2);
  await page.both.promise;
  page.end.resolve();
};
console.log(`changed before the run: ${await versionsRun(before)}`);
console.log(`changed during the run: ${await versionsRun(during)}`);
console.log(`changed during a run that is longer than the quiet time: ${await versionsRun(duringLong)}`);
await db.dropDatabase();
await client.close();
process.exit(0);
PROGRAM
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
changed before the run: versions run 2, at once 1, stored version 2, due never
changed during the run: versions run 1, at once 1, stored version 2, due never
changed during a run that is longer than the quiet time: versions run 1 and 2, at once 2, stored version 2, due never
SEEN
