import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { KINDS } from './check';
import { isMode, MODES, type ModeName } from './modes';
import { soak } from './soak';
import { countOf, details, table, type Line } from './summary';

const DEFAULT_MINUTES = '1';

/** `npm run soak -- --mode standalone-kill --minutes 10 --seed 42`; without a mode all of them, one after the other. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      mode: { type: 'string', multiple: true },
      minutes: { type: 'string', default: DEFAULT_MINUTES },
      seed: { type: 'string' },
      keep: { type: 'boolean', default: false },
    },
  });
  const modes = namesOf(values.mode);
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  const folder = mkdtempSync(join(tmpdir(), 'soak-'));
  console.log(modes.map((mode) => `${mode.padEnd(16)} ${MODES[mode].about}`).join('\n'));
  console.log(`\nseed ${seed}, ${values.minutes} minutes each, in ${folder}\n`);

  const lines: Line[] = [];
  for (const mode of modes) {
    const forMs = Number(values.minutes) * 60_000;
    const line = { mode, ...(await soak({ mode, seed, forMs, folder: join(folder, mode) })) };
    lines.push(line);
    writeFileSync(join(folder, mode, 'findings.json'), JSON.stringify(line.verdict, null, 2));
    if (countOf(line.verdict) > 0) console.log(details(line));
  }
  console.log(`\n${table(lines)}`);

  const isGood = lines.every(({ verdict }) => countOf(verdict) === 0);
  if (isGood && !values.keep) rmSync(folder, { recursive: true, force: true });
  else console.log(`\nHistories, findings (${KINDS.join(', ')}) and the servers' logs are in ${folder}`);

  return isGood ? 0 : 1;
}

function namesOf(given: readonly string[] | undefined): ModeName[] {
  const names = given ?? Object.keys(MODES);
  const unknown = names.filter((name) => !isMode(name));
  if (unknown.length > 0) throw new Error(`No mode ${unknown.join(', ')}. There are: ${Object.keys(MODES).join(', ')}`);

  return names as ModeName[];
}

// Servers and programs end with this process, but not by a signal alone.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

void main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
