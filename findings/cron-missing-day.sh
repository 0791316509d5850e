#!/usr/bin/env bash
# A job "at noon on the 30th" in Pacific/Apia, which went from 29 to 31 December 2011 and had no 30 December.
#
# Guess: a month without a 30th has no run, as a February has none.
# Seen: croner 11.0.1 and cron-parser 5.4.0 do so, their first run is that of 30 January. cron 4.3.3 has a run on 31 December at noon: it makes
# of the 30th the day that followed it, so the job runs on a day that its pattern does not name.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund croner@11.0.1 cron-parser@5.4.0 cron@4.3.3 >/dev/null

found=$(node --input-type=module <<'PROGRAM'
import { Cron } from 'croner';
import { CronTime } from 'cron';
import { CronExpressionParser } from 'cron-parser';

const pattern = '0 12 30 * *';
const zone = 'Pacific/Apia';
const from = new Date('2011-12-01T00:00Z');
const first = {
  croner: new Cron(pattern, { timezone: zone }).nextRun(from),
  'cron-parser': CronExpressionParser.parse(pattern, { tz: zone, currentDate: from }).next().toDate(),
  cron: new CronTime(pattern, zone).getNextDateFrom(from, zone).toJSDate(),
};
for (const [name, run] of Object.entries(first)) console.log(`${name}: ${run.toLocaleString('sv-SE', { timeZone: zone })}`);
PROGRAM
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
croner: 2012-01-30 12:00:00
cron-parser: 2012-01-30 12:00:00
cron: 2011-12-31 12:00:00
SEEN
