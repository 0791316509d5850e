import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KINDS } from './check';
import { named } from './check/evidence';
import { PROPERTY_SEED } from '../support/property';
import { MODES, type ModeName } from './modes';
import { soak } from './soak';
import { details } from './summary';

const ROUND_MS = 6_000;
/** Only waited for where something stands still, so it may be long: a busy machine is no fault. */
const PATIENCE_MS = 45_000;
const NOTHING = Object.fromEntries(KINDS.map((kind) => [kind, 0]));

// `npm run soak` does the same for longer.
describe('processes at work while faults happen', () => {
  const folder = mkdtempSync(join(tmpdir(), 'soak-'));
  let hasFailed = false;

  afterAll(() => {
    if (hasFailed) process.stderr.write(`Kept the histories of the soak in ${folder}\n`);
    else rmSync(folder, { recursive: true, force: true });
  });

  it.each(Object.keys(MODES) as ModeName[])(
    'lose nothing, hold nothing twice, and leave nothing behind: %s',
    async (mode) => {
      const times = { roundMs: ROUND_MS, forMs: ROUND_MS, patienceMs: PATIENCE_MS };
      const { verdict, evidence } = await soak({ mode, seed: PROPERTY_SEED, folder: join(folder, mode), ...times });

      const counts = Object.fromEntries(KINDS.map((kind) => [kind, verdict[kind].length]));
      hasFailed ||= KINDS.some((kind) => counts[kind] !== 0);
      const findings = details({ mode, verdict, evidence });
      expect({ ...counts, findings }).toEqual({ ...NOTHING, findings: '' });
      expect(named(evidence, 'settled').length).toBeGreaterThan(0);
    },
  );
});
