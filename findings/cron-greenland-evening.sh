#!/usr/bin/env bash
# Daily jobs in America/Nuuk on 27 March 2027, when its clock goes from 23:00 to 00:00 of the next day: Greenland changes at the moment that Europe
# does, so the hour that is missing is the last one of a day.
#
# Guess: a job at 23:00 has no time that day; a job at 22:00 and one at 00:30 have theirs, and run.
# Seen: cron-parser 5.10.6, the parser of BullMQ, Agenda and pg-boss, goes from 26 to 28 March for 22:00 as well: a run at a time that exists is lost.
# For `0 22 27 * *`, the same minute by its date, it has the run. APScheduler 3.11.3 has 22:00, but loses 00:30 of the 28th. croner 11.0.1 has both.
# A zone without a change, such as UTC, is the way out.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund croner@11.0.1 cron-parser@5.10.6 >/dev/null
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check APScheduler==3.11.3 tzdata==2025.2

cat >runs.mjs <<'PROGRAM'
import { Cron } from 'croner';
import { CronExpressionParser } from 'cron-parser';

const timezone = 'America/Nuuk';
const local = (date) => date.toLocaleString('sv-SE', { timeZone: timezone, timeStyle: 'short', dateStyle: 'short' });
for (const pattern of ['0 22 * * *', '0 22 27 * *', '30 0 * * *']) {
  const steps = {
    croner: (after) => new Cron(pattern, { timezone }).nextRun(after),
    'cron-parser': (after) => CronExpressionParser.parse(pattern, { tz: timezone, currentDate: after }).next().toDate(),
  };
  for (const [name, next] of Object.entries(steps)) {
    const runs = [];
    for (let run = next(new Date('2027-03-26T12:00Z')); runs.length < 3; run = next(run)) runs.push(local(run));
    console.log(`${pattern} ${name}: ${runs.join(', ')}`);
  }
}
PROGRAM
cat >runs.py <<'PROGRAM'
from datetime import datetime, timezone
from zoneinfo import ZoneInfo
from apscheduler.triggers.cron import CronTrigger

for pattern in ["0 22 * * *", "30 0 * * *"]:
    trigger = CronTrigger.from_crontab(pattern, timezone=ZoneInfo("America/Nuuk"))
    runs = []
    run, now = None, datetime(2027, 3, 26, 12, tzinfo=timezone.utc)
    while len(runs) < 3:
        run = now = trigger.get_next_fire_time(run, now)
        runs.append(run.strftime("%Y-%m-%d %H:%M"))
    print(pattern, "APScheduler:", ", ".join(runs))
PROGRAM
found=$(
  node runs.mjs
  python/bin/python runs.py
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
0 22 * * * croner: 2027-03-26 22:00, 2027-03-27 22:00, 2027-03-28 22:00
0 22 * * * cron-parser: 2027-03-26 22:00, 2027-03-28 22:00, 2027-03-29 22:00
0 22 27 * * croner: 2027-03-27 22:00, 2027-04-27 22:00, 2027-05-27 22:00
0 22 27 * * cron-parser: 2027-03-27 22:00, 2027-04-27 22:00, 2027-05-27 22:00
30 0 * * * croner: 2027-03-27 00:30, 2027-03-28 00:30, 2027-03-29 00:30
30 0 * * * cron-parser: 2027-03-27 00:30, 2027-03-28 00:30, 2027-03-29 00:30
0 22 * * * APScheduler: 2027-03-26 22:00, 2027-03-27 22:00, 2027-03-28 22:00
30 0 * * * APScheduler: 2027-03-27 00:30, 2027-03-29 00:30, 2027-03-30 00:30
SEEN
