import { KINDS, type Verdict } from './check';
import { named, type Evidence } from './check/evidence';
import type { ModeName } from './modes';

const SHOWN = 5;

export interface Line {
  readonly mode: ModeName;
  readonly verdict: Verdict;
  readonly evidence: Evidence;
}

export function countOf(verdict: Verdict): number {
  return KINDS.reduce((sum, kind) => sum + verdict[kind].length, 0);
}

/** What has happened in a run, and how often each kind of fault of ours was found: all should be 0. */
export function table(lines: readonly Line[]): string {
  const rows = [
    ['mode', 'tasks', 'claims', 'faults', 'kills', 'stops', ...KINDS],
    ...lines.map(({ mode, verdict, evidence }) => [
      mode,
      ...[
        named(evidence, 'pushed').length,
        named(evidence, 'claimed').length,
        named(evidence, 'fault').filter(({ failure }) => !failure).length,
        named(evidence, 'killed').length,
        named(evidence, 'stopped').length,
        ...KINDS.map((kind) => verdict[kind].length),
      ].map(String),
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));

  return rows.map((row) => row.map((cell, column) => pad(cell, widths[column]!, column)).join('  ')).join('\n');
}

/** The first findings of each kind. */
export function details({ mode, verdict }: Line): string {
  return KINDS.flatMap((kind) => {
    const findings = verdict[kind];
    const shown = findings.slice(0, SHOWN).map(({ subject, text }) => `  ${mode}, ${kind}: ${subject} ${text}`);
    return findings.length > SHOWN ? [...shown, `  … and ${findings.length - SHOWN} more`] : shown;
  }).join('\n');
}

function pad(cell: string, width: number, column: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}
