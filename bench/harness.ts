import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** One way to do the work that is compared. */
export interface Contender {
  readonly name: string;
  /** Makes that much work ready. Not timed. */
  prepare(operations: number): Promise<unknown>;
  /** Does it, and returns how long each call took, in milliseconds. */
  run(operations: number): Promise<number[]>;
}

export interface Comparison {
  readonly title: string;
  /** Of one round; a multiple of 5. */
  readonly operations: number;
  /** What is compared: operations per second (more is better), or the median of one call (less is better). */
  readonly metric: 'perSecond' | 'p50Ms';
  /** The ratio that is wanted: at least that of `perSecond`, at most that of `p50Ms`. Without one it is information. */
  readonly target?: number;
  readonly baseline: Contender;
  readonly contenders: readonly Contender[];
}

export interface Round {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface Outcome {
  readonly title: string;
  readonly name: string;
  readonly metric: Comparison['metric'];
  readonly operations: number;
  readonly rounds: readonly Round[];
  /** Of its best round to the baseline's best round: what the target is about. None for the baseline. */
  readonly ratio: number | null;
  /** Of each round to the baseline's in the same round. */
  readonly ratios: readonly number[];
  readonly target: number | null;
  readonly isMet: boolean | null;
}

/** A round is made of so many turns of each, which are short: what else the machine does meets all of them alike. */
const TURNS = 5;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Measures all in rounds, and in each of them in turn, A B A B. A first round, in which the code gets warm, is not counted. */
export async function compare(comparison: Comparison, rounds: number): Promise<Outcome[]> {
  const contenders = [comparison.baseline, ...comparison.contenders];
  const measured = contenders.map((): Round[] => []);
  for (let round = 0; round <= rounds; round++) {
    const turns = contenders.map((): Turn[] => []);
    for (let turn = 0; turn < TURNS; turn++) {
      for (const [index, contender] of contenders.entries())
        turns[index]!.push(await take(contender, comparison.operations / TURNS));
    }
    if (round > 0) turns.forEach((taken, index) => measured[index]!.push(roundOf(taken)));
  }

  return contenders.map(({ name }, index) => outcome(comparison, name, measured[index]!, measured[0]!));
}

/** Calls the operation that often, by so many callers at once. */
export async function atConcurrency(
  callers: number,
  operations: number,
  operation: (index: number) => Promise<unknown>,
): Promise<number[]> {
  const durations: number[] = [];
  let next = 0;
  const call = async () => {
    while (next < operations) {
      const startedAt = performance.now();
      await operation(next++);
      durations.push(performance.now() - startedAt);
    }
  };
  await Promise.all(Array.from({ length: callers }, call));

  return durations;
}

/** The round that the rest of the machine disturbed least. */
export function best(metric: Comparison['metric'], rounds: readonly Round[]): Round {
  const isBetter = (one: Round, other: Round) =>
    metric === 'perSecond' ? one.perSecond > other.perSecond : one.p50Ms < other.p50Ms;

  return rounds.reduce((found, one) => (isBetter(one, found) ? one : found));
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);

  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

interface Turn {
  readonly operations: number;
  readonly ms: number;
  readonly durations: readonly number[];
}

async function take(contender: Contender, operations: number): Promise<Turn> {
  await contender.prepare(operations);
  // What the preparation left behind is not for the measured part to clear away.
  collectGarbage();
  const startedAt = performance.now();
  const durations = await contender.run(operations);

  return { operations, ms: performance.now() - startedAt, durations };
}

function roundOf(turns: readonly Turn[]): Round {
  const durations = turns.flatMap((turn) => turn.durations);
  const sum = (key: 'operations' | 'ms') => turns.reduce((total, turn) => total + turn[key], 0);

  return {
    perSecond: (sum('operations') / sum('ms')) * 1_000,
    p50Ms: quantile(durations, 0.5),
    p99Ms: quantile(durations, 0.99),
  };
}

function outcome(
  { title, metric, operations, target, baseline }: Comparison,
  name: string,
  rounds: readonly Round[],
  ofBaseline: readonly Round[],
): Outcome {
  const measured = { title, name, metric, operations, rounds };
  if (name === baseline.name) return { ...measured, ratio: null, ratios: [], target: null, isMet: null };

  // One over the other of the best rounds, not the best of their ratios: that would be the round in which the baseline was disturbed most.
  const ratio = best(metric, rounds)[metric] / best(metric, ofBaseline)[metric];
  const ratios = rounds.map((round, index) => round[metric] / ofBaseline[index]![metric]);
  const isMet = target === undefined ? null : metric === 'perSecond' ? ratio >= target : ratio <= target;

  return { ...measured, ratio, ratios, target: target ?? null, isMet };
}
