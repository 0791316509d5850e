/** What `runWorkers()` runs in its spec: ends with a code, or waits for SIGTERM, or does not heed it. Writes its pid when it is ready. */
const { appendFileSync } = require('node:fs');

const [mode, value] = process.argv.slice(2);

if (mode === 'exit') process.exit(Number(value));
process.on('SIGTERM', () => {
  if (mode !== 'stubborn') process.exit(0);
});
setInterval(() => {}, 1_000);
appendFileSync(value, `${process.pid}\n`);
