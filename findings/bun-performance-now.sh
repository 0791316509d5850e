#!/usr/bin/env bash
# Where a runtime keeps `performance.now()`. A library that wants the real one, whatever a test puts on the object, takes it from the prototype.
#
# Guess: on the prototype, as the standard has it: `Performance.prototype.now`.
# Seen: Bun 1.4.5 has it on the object itself and nothing on the prototype; Node and Deno 2.9.6 have it on the prototype.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund bun@1.4.5 deno@2.9.6 >/dev/null

cat >where.mjs <<'PROGRAM'
import { performance } from 'node:perf_hooks';
const has = (object) => Object.getOwnPropertyNames(object).includes('now');
console.log(`object ${has(performance)}, prototype ${has(Object.getPrototypeOf(performance))}`);
PROGRAM
found=$(
  echo "node: $(node where.mjs)"
  echo "deno: $(./node_modules/.bin/deno run where.mjs)"
  echo "bun: $(./node_modules/.bin/bun where.mjs)"
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
node: object false, prototype true
deno: object false, prototype true
bun: object true, prototype false
SEEN
