import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** One way to do the work that is compared. */
export interface Contender {
  readonly name: string;
  /** Makes that much work ready. Not timed. */
  prepare(operations: number): Promise<unknown>;
  /** Does it, and returns how long each call took, in milliseconds. */
  run(operations: number): Promise<number[]>;
  /** Its usual processor time, client and server, to that of the baseline: twice as much fails a small pass. Without one it is not judged. */
  readonly cpu?: number;
}

export interface Comparison {
  readonly title: string;
  /** Of one round; a multiple of the turns. */
  readonly operations: number;
  /** The turns of each in a round. Default: 5. */
  readonly turns?: number;
  /** What is compared: operations per second (more is better), or the median of one call (less is better). */
  readonly metric: 'perSecond' | 'p50Ms';
  /** The ratio that is wanted: at least that of `perSecond`, at most that of `p50Ms`. Without one it is information. */
  readonly target?: number;
  readonly baseline: Contender;
  readonly contenders: readonly Contender[];
  /** Ends what was started for it, after the last round or a failure. */
  close?(): Promise<unknown>;
}

export interface Round {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Processor time of one operation, in microseconds: of this process, and of the MongoDB server. */
  readonly clientUs: number;
  readonly serverUs: number;
}

export interface Outcome {
  readonly title: string;
  readonly name: string;
  readonly metric: Comparison['metric'];
  readonly operations: number;
  readonly rounds: readonly Round[];
  /** Of each round to the baseline's in the same round; none for the baseline. */
  readonly ratios: readonly number[];
  readonly target: number | null;
  /** By the median of the rounds, by the best of them only, or by none. */
  readonly verdict: 'met' | 'met at best' | 'missed' | null;
  /** Its processor time to the baseline's: in the best round, and usually. Null for the baseline. */
  readonly cpu: { readonly ratio: number; readonly usual: number | null } | null;
}

/** A round is made of so many turns of each, which are short: what else the machine does meets all of them alike. */
const TURNS = 5;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as (options: { type: 'minor' }) => void;

/** Measures all in rounds, and in each of them in turn, A B A B. A first round, in which the code gets warm, is not counted. */
export async function compare(comparison: Comparison, rounds: number, serverCpu: Cpu): Promise<Outcome[]> {
  const contenders = [comparison.baseline, ...comparison.contenders];
  const measured = contenders.map((): Round[] => []);
  const { turns: count = TURNS } = comparison;
  for (let round = 0; round <= rounds; round++) {
    const turns = contenders.map((): Turn[] => []);
    for (let turn = 0; turn < count; turn++) {
      for (const [index, contender] of contenders.entries())
        turns[index]!.push(await take(contender, comparison.operations / count, serverCpu));
    }
    if (round > 0) turns.forEach((taken, index) => measured[index]!.push(roundOf(taken)));
  }

  return contenders.map((one, index) => outcome(comparison, one, measured[index]!, measured[0]!));
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

/** The best of some values of a metric. */
export function best(metric: Comparison['metric'], values: readonly number[]): number {
  return metric === 'perSecond' ? Math.max(...values) : Math.min(...values);
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);

  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

interface Turn {
  readonly operations: number;
  readonly ms: number;
  readonly durations: readonly number[];
  readonly clientUs: number;
  readonly serverUs: number;
}

/** Reads the processor time that a process has used, in microseconds. */
export type Cpu = () => Promise<number>;

async function take(contender: Contender, operations: number, serverCpu: Cpu): Promise<Turn> {
  await contender.prepare(operations);
  // What the preparation left behind is not for the measured part to clear away. No full collection: it takes the shapes of documents
  // that nobody holds with it, and all code that was made fast for them, which halves what comes next.
  collectGarbage({ type: 'minor' });
  const serverBefore = await serverCpu();
  const clientBefore = process.cpuUsage();
  const startedAt = performance.now();
  const durations = await contender.run(operations);
  const ms = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(clientBefore);

  return { operations, ms, durations, clientUs: user + system, serverUs: (await serverCpu()) - serverBefore };
}

function roundOf(turns: readonly Turn[]): Round {
  const durations = turns.flatMap((turn) => turn.durations);
  const sum = (key: 'operations' | 'ms' | 'clientUs' | 'serverUs') =>
    turns.reduce((total, turn) => total + turn[key], 0);

  return {
    perSecond: (sum('operations') / sum('ms')) * 1_000,
    p50Ms: quantile(durations, 0.5),
    p99Ms: quantile(durations, 0.99),
    maxMs: quantile(durations, 1),
    clientUs: sum('clientUs') / sum('operations'),
    serverUs: sum('serverUs') / sum('operations'),
  };
}

function outcome(
  { title, metric, operations, target, baseline }: Comparison,
  { name, cpu: usual }: Contender,
  rounds: readonly Round[],
  ofBaseline: readonly Round[],
): Outcome {
  const measured = { title, name, metric, operations, rounds };
  if (name === baseline.name) return { ...measured, ratios: [], target: null, verdict: null, cpu: null };

  const ratios = rounds.map((round, index) => round[metric] / ofBaseline[index]![metric]);
  const verdict = target ? judge(metric, ratios, target) : null;
  const ratio = Math.min(...rounds.map((round, index) => cpuOf(round) / cpuOf(ofBaseline[index]!)));
  return { ...measured, ratios, target: target ?? null, verdict, cpu: { ratio, usual: usual ?? null } };
}

function cpuOf({ clientUs, serverUs }: Round): number {
  return clientUs + serverUs;
}

function judge(metric: Comparison['metric'], ratios: readonly number[], target: number): Outcome['verdict'] {
  const isMet = (ratio: number) => (metric === 'perSecond' ? ratio >= target : ratio <= target);
  if (isMet(quantile(ratios, 0.5))) return 'met';

  return isMet(best(metric, ratios)) ? 'met at best' : 'missed';
}
