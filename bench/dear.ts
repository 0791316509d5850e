import { compare, type Comparison, type Cpu, type Outcome } from './harness';

/** How much smaller than a whole round that of a small pass is. */
const SHARE = 5;
/** The whole rounds that decide where the small one was dear: what is dear is so in each of them, chance is not. */
const ROUNDS = 3;

/** One small round. Where something is dear in it, whole ones are measured instead, and their best decides. */
export async function compareBriefly(comparison: Comparison, serverCpu: Cpu): Promise<Outcome[]> {
  const outcomes = await compare({ ...comparison, operations: comparison.operations / SHARE }, 1, serverCpu);

  return outcomes.some(isDear) ? compare(comparison, ROUNDS, serverCpu) : outcomes;
}

/** Throws for what takes more than twice its usual processor time. A busy machine makes both sides dearer alike. */
export function refuseDear(outcomes: readonly Outcome[]): void {
  const lines = outcomes
    .filter(isDear)
    .map(
      ({ title, name, cpu }) =>
        `${title}, ${name}: ${cpu!.ratio.toFixed(2)} of the processor time of its baseline, usually ${cpu!.usual}`,
    );
  if (lines.length > 0) throw new Error(`Dearer than usual by more than two:\n${lines.join('\n')}`);
}

function isDear({ cpu }: Outcome): boolean {
  return !!cpu?.usual && cpu.ratio > 2 * cpu.usual;
}
