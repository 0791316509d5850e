#!/usr/bin/env bash
# Spans of time in English words for Agenda: `every('90 seconds')` and `schedule('in 90 seconds')`, at 15:30 by a clock that is set.
# MONGODB_URI names a server, of which the database `finding` is used and dropped.
#
# Guess: the two understand the same words; what is not understood is an error.
# Seen: with agenda 6.2.6 they are two parsers, human-interval 2.0.1 and date.js 0.3.3, and each reads some spans as something else, without an error.
# `schedule()` takes a number of three digits for a time of day: 120 minutes, and 120 days as well, are due at the next 01:20 (open as issue 79
# of matthewmueller/date since 2016, for "100 days ago"), and 1.5 hours at 01:05. `every()` takes "an hour" and "a day", known to `schedule()`, for
# an interval of 0. A number with a unit in `every()`, and a Date in `schedule()`, are right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund agenda@6.2.6 @agendajs/mongo-backend@4.0.3 human-interval@2.0.1 date.js@0.3.3 mongodb@7.5.0 >/dev/null

found=$(TZ=UTC node --no-warnings --input-type=module <<'PROGRAM'
import { mock } from 'node:test';
import { Agenda } from 'agenda';
import { MongoBackend } from '@agendajs/mongo-backend';
import { MongoClient } from 'mongodb';

const client = await MongoClient.connect(process.env.MONGODB_URI);
const db = client.db('finding');
await db.dropDatabase();
const agenda = new Agenda({ backend: new MongoBackend({ mongo: db }), processEvery: 100 });
await agenda.ready;

agenda.define('email', async () => {});
mock.timers.enable({ apis: ['Date'], now: new Date('2027-05-12T15:30Z') });
for (const span of ['90 seconds', '99 minutes', '120 minutes', '120 days', '1.5 hours', 'an hour', 'a day']) {
  const once = await agenda.schedule(`in ${span}`, 'email', {});
  const often = agenda.create('email').repeatEvery(span, { skipImmediate: true });
  const minutes = (often.attrs.nextRunAt - Date.now()) / 60_000;
  console.log(`${span}: every ${minutes} minutes, scheduled at ${once.attrs.nextRunAt.toISOString().slice(0, 19)}`);
}
mock.timers.reset();
await agenda.cancel({ name: 'email' });

const runs = { '1 hour': 0, 'an hour': 0 };
const thrice = new Promise((resolve) => {
  for (const span of Object.keys(runs)) {
    agenda.define(`report every ${span}`, async () => {
      runs[span]++;
      if (runs['an hour'] >= 3 && runs['1 hour'] > 0) resolve();
    });
  }
});
for (const span of Object.keys(runs)) await agenda.every(span, `report every ${span}`);
await agenda.start();
await thrice;
await agenda.stop();
console.log(`runs at once: every 1 hour ${runs['1 hour']}, every an hour ${runs['an hour'] >= 3 ? 'three or more' : runs['an hour']}`);
await db.dropDatabase();
await client.close();
process.exit(0);
PROGRAM
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
90 seconds: every 1.5 minutes, scheduled at 2027-05-12T15:31:30
99 minutes: every 99 minutes, scheduled at 2027-05-12T17:09:00
120 minutes: every 120 minutes, scheduled at 2027-05-13T01:20:00
120 days: every 172800 minutes, scheduled at 2027-05-13T01:20:00
1.5 hours: every 90 minutes, scheduled at 2027-05-13T01:05:00
an hour: every 0 minutes, scheduled at 2027-05-12T16:30:00
a day: every 0 minutes, scheduled at 2027-05-13T15:30:00
runs at once: every 1 hour 1, every an hour three or more
SEEN
