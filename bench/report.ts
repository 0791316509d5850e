import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { resolve } from 'node:path';
import mongoose from 'mongoose';
import { best, quantile, type Outcome } from './harness';

const FOLDER = resolve(__dirname, 'results');
/** Load per processor above which others are at work. */
const BUSY_LOAD = 0.5;
/** Before the client and the server of this benchmark make their own. */
const loadBefore = loadavg()[0]!;

const HEAD = [
  '',
  'per second',
  'p50 ms',
  'p99 ms',
  'max ms',
  'client µs',
  'server µs',
  'ratio: best',
  'median',
  'spread',
  'target',
];

/** One line for each contender: the best of its rounds, and their ratios to the baseline in the same round. */
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
    load: loadBefore,
    cpus: `${cpus().length} × ${cpu?.model ?? 'unknown'}`,
  };
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(resolve(FOLDER, `${name}.json`), `${JSON.stringify({ name, ...measuredOn, outcomes }, null, 2)}\n`);
}

/** A busy machine makes both sides wait, which brings their ratio nearer to 1 than it is. */
export function busyNote(): string {
  if (loadBefore <= cpus().length * BUSY_LOAD) return '';

  return `The load was ${loadBefore.toFixed(1)} on ${cpus().length} processors before this began: do not trust the ratios, compare the p50.\n`;
}

function line(outcome: Outcome): string[] {
  const { name, metric, rounds, ratios } = outcome;
  const fastest = Math.max(...rounds.map(({ perSecond }) => perSecond));
  const lowest = (key: 'p50Ms' | 'p99Ms' | 'maxMs') => milliseconds(Math.min(...rounds.map((round) => round[key])));
  const cpu = (key: 'clientUs' | 'serverUs') => Math.min(...rounds.map((round) => round[key])).toFixed(0);
  const times = [lowest('p50Ms'), lowest('p99Ms'), lowest('maxMs'), cpu('clientUs'), cpu('serverUs')];
  const cells = [`  ${name}`, Math.round(fastest).toString(), ...times];
  if (ratios.length === 0) return [...cells, '', '', '', ''];

  const spread = `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`;
  const ratio = [best(metric, ratios).toFixed(2), quantile(ratios, 0.5).toFixed(2)];
  return [...cells, ...ratio, spread, verdict(outcome)];
}

/** Nothing if single operations were not timed. */
function milliseconds(value: number): string {
  return Number.isNaN(value) ? '' : value.toFixed(2);
}

function verdict({ metric, target, verdict: judged }: Outcome): string {
  if (target === null) return '';

  return `${metric === 'perSecond' ? '≥' : '≤'} ${target} ${judged}`;
}
