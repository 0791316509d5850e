import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { resolve } from 'node:path';
import mongoose from 'mongoose';
import { best, quantile, type Outcome } from './harness';

const FOLDER = resolve(__dirname, 'results');
const HEAD = ['', 'per second', 'p50 ms', 'p99 ms', 'ratio', 'of rounds', 'spread', 'target'];

/** One line for each contender: its best round, that round against the baseline's best, and the ratios round by round. */
export function table(outcomes: readonly Outcome[]): string {
  const lines: string[][] = [];
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.title !== outcomes[index - 1]?.title) lines.push([outcome.title, ...HEAD.slice(1)]);
    lines.push(line(outcome));
  }
  const widths = HEAD.map((_, column) => Math.max(...lines.map((cells) => cells[column]!.length)));

  return lines
    .map((cells) =>
      cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  '),
    )
    .join('\n');
}

/** Keeps what was measured in `bench/results`, with what it was measured on. */
export function keep(name: string, server: string, outcomes: readonly Outcome[]): void {
  const [cpu] = cpus();
  const measuredOn = {
    date: new Date().toISOString(),
    server,
    node: process.version,
    mongoose: mongoose.version,
    cpus: `${cpus().length} × ${cpu?.model ?? 'unknown'}`,
  };
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(resolve(FOLDER, `${name}.json`), `${JSON.stringify({ name, ...measuredOn, outcomes }, null, 2)}\n`);
}

function line(outcome: Outcome): string[] {
  const { name, metric, rounds, ratio, ratios } = outcome;
  const { perSecond, p50Ms, p99Ms } = best(metric, rounds);
  const cells = [`  ${name}`, Math.round(perSecond).toString(), p50Ms.toFixed(2), p99Ms.toFixed(2)];
  if (ratio === null) return [...cells, '', '', '', ''];

  const spread = `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`;
  return [...cells, ratio.toFixed(2), quantile(ratios, 0.5).toFixed(2), spread, verdict(outcome)];
}

function verdict({ metric, target, isMet }: Outcome): string {
  if (target === null) return '';

  return `${metric === 'perSecond' ? '≥' : '≤'} ${target} ${isMet ? 'met' : 'MISSED'}`;
}
