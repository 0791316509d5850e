#!/usr/bin/env bash
# A job "every day at 02:00" in Australia/Lord_Howe, on the night its clock goes from 02:00 to 02:30 (3 October 2027, a change of half an hour).
#
# Guess: whatever a library does of a time that the clock skips, the job runs once that night, or not at all.
# Seen: three libraries, three answers. croner 11.0.1 runs it once, at the moment of the change. cron-parser 5.4.0 has no run that night, and
# goes on the day after. cron 4.3.3 has two runs that night, half an hour apart: at 15:00Z, an hour that is before the change by its own
# clock, and at the change itself. A change of a whole hour does not show it: for 02:30 in Europe/Berlin each of them has one run.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund croner@11.0.1 cron-parser@5.4.0 cron@4.3.3 >/dev/null

cat >runs.mjs <<'PROGRAM'
import { Cron } from 'croner';
import { CronTime } from 'cron';
import { CronExpressionParser } from 'cron-parser';

const [pattern, timeZone, from, until] = process.argv.slice(2);
const steps = {
  croner: (after) => new Cron(pattern, { timezone: timeZone }).nextRun(after),
  'cron-parser': (after) => CronExpressionParser.parse(pattern, { tz: timeZone, currentDate: after }).next().toDate(),
  cron: (after) => new CronTime(pattern, timeZone).getNextDateFrom(after, timeZone).toJSDate(),
};
for (const [name, next] of Object.entries(steps)) {
  const runs = [];
  for (let run = next(new Date(from)); run < new Date(until); run = next(run)) runs.push(run.toISOString().slice(0, 16));
  console.log(`${name}: ${runs.join(' ')}`);
}
PROGRAM

found=$(node runs.mjs '0 2 * * *' Australia/Lord_Howe 2027-10-02T12:00Z 2027-10-04T12:00Z)
hour=$(node runs.mjs '30 2 * * *' Europe/Berlin 2027-03-27T12:00Z 2027-03-29T12:00Z)
printf '%s\n\n%s\n' "$found" "$hour"

diff <(printf '%s\n\n%s\n' "$found" "$hour") - <<'SEEN'
croner: 2027-10-02T15:30 2027-10-03T15:00
cron-parser: 2027-10-03T15:00
cron: 2027-10-02T15:00 2027-10-02T15:30 2027-10-03T15:00

croner: 2027-03-28T01:00 2027-03-29T00:30
cron-parser: 2027-03-28T01:30 2027-03-29T00:30
cron: 2027-03-28T01:00 2027-03-29T00:30
SEEN
