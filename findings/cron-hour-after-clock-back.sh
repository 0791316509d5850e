#!/usr/bin/env bash
# A job "every day at two", or at three, in zones whose clock goes back that night: not in the hour that comes twice, but in the hour after it.
# 02:00 comes once in New York and in London that night, 03:00 comes once in Berlin and in Sydney.
#
# Guess: nothing special: only the hour that comes twice is a question, so the job runs once that day.
# Seen: cron 4.4.0 runs it twice: at its time and an hour before, in the second pass of the hour that its pattern does not name. This is so for
# every whole-hour change that was tried, in 24 zones. croner 11.0.1 and cron-parser 5.10.6 have one run. @nestjs/schedule 12.0.2 depends on
# just this version of cron. Its issue 563 is about the repeated hour itself, not about this one. A job at another hour, or in UTC, is safe.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund croner@11.0.1 cron-parser@5.10.6 cron@4.4.0 >/dev/null

found=$(node --no-warnings --input-type=module <<'PROGRAM'
import { mock } from 'node:test';
import { Cron } from 'croner';
import { CronJob } from 'cron';
import { CronExpressionParser } from 'cron-parser';

const local = (date, timeZone) => date.toLocaleString('sv-SE', { timeZone, timeStyle: 'short', dateStyle: 'short' });
const hours = 24;

// The job runs for a day, minute by minute, on a clock of its own.
function runsOf(cronTime, timeZone, from) {
  const runs = [];
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: from });
  const job = CronJob.from({ cronTime, timeZone, start: true, onTick: () => runs.push(local(new Date(), timeZone)) });
  for (let minute = 0; minute < hours * 60; minute++) mock.timers.tick(60_000);
  job.stop();
  mock.timers.reset();
  return runs;
}

function nextOf(next, timeZone, from) {
  const runs = [];
  const until = new Date(from.getTime() + hours * 3_600_000);
  for (let run = next(from); run <= until; run = next(run)) runs.push(local(run, timeZone));
  return runs;
}

const nights = [
  ['America/New_York', '0 2 * * *', '2027-11-06T16:00Z'],
  ['Europe/London', '0 2 * * *', '2027-10-30T12:00Z'],
  ['Europe/Berlin', '0 3 * * *', '2027-10-30T12:00Z'],
  ['Australia/Sydney', '0 3 * * *', '2027-04-03T02:00Z'],
];
for (const [timezone, pattern, start] of nights) {
  const from = new Date(start);
  const croner = (after) => new Cron(pattern, { timezone }).nextRun(after);
  const parser = (after) => CronExpressionParser.parse(pattern, { tz: timezone, currentDate: after }).next().toDate();
  console.log(`${timezone} ${pattern}`);
  console.log(`  croner: ${nextOf(croner, timezone, from).join(', ')}`);
  console.log(`  cron-parser: ${nextOf(parser, timezone, from).join(', ')}`);
  console.log(`  cron: ${runsOf(pattern, timezone, from).join(', ')}`);
}
PROGRAM
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
America/New_York 0 2 * * *
  croner: 2027-11-07 02:00
  cron-parser: 2027-11-07 02:00
  cron: 2027-11-07 01:00, 2027-11-07 02:00
Europe/London 0 2 * * *
  croner: 2027-10-31 02:00
  cron-parser: 2027-10-31 02:00
  cron: 2027-10-31 01:00, 2027-10-31 02:00
Europe/Berlin 0 3 * * *
  croner: 2027-10-31 03:00
  cron-parser: 2027-10-31 03:00
  cron: 2027-10-31 02:00, 2027-10-31 03:00
Australia/Sydney 0 3 * * *
  croner: 2027-04-04 03:00
  cron-parser: 2027-04-04 03:00
  cron: 2027-04-04 02:00, 2027-04-04 03:00
SEEN
