import type { AnyModel } from '../any';
import { type Definition, definitionOf, rootOf } from '../definition/definition';
import { connected } from '../server/clock';
import { explained } from '../server/explain-error';
import { isMissingIndex, isOutOfReach, isTimeExpired } from '../server/transient';
import { lineOf } from '../values/describe';
import { bookkeeping } from './bookkeeping';
import { MAX_MS } from './bounds';
import { claim } from './claim';
import { clocks } from './clocks';
import type { Check, Diagnosis, Exam, Finding } from './finding';
import { indexes } from './indexes';
import { keys } from './keys';
import { leases } from './leases';
import { marks } from './marks';
import { removed } from './removed';
import { server } from './server';
import { waiting } from './waiting';

export type { Diagnosis, Finding } from './finding';

/** In the order in which they are made: what one repairs the next may need. */
const CHECKS: readonly Check[] = [server, indexes, claim, removed, clocks, waiting, marks, keys, leases, bookkeeping];

/** Options of `doctor()`. */
export interface DoctorOptions {
  /**
   * Whether to repair what can be repaired by what the queue does itself: create indexes, re-check parked tasks, take off marks, let successors
   * start. Default: false, which writes nothing.
   */
  fix?: boolean | undefined;
  /** Whether the models were made up from what is stored, so that nothing is known of their dependencies. Default: false. */
  partial?: boolean | undefined;
  /** Is told after each check how many of all are done. */
  onProgress?: ((done: number, of: number) => void) | undefined;
}

/**
 * Looks at queues for what is wrong with them. Each query reads 1 000 documents at most, and takes 5 seconds at most. It rejects only where
 * the server is out of reach.
 *
 * @param models One model with the plugin, or several, of open connections.
 * @throws {InvalidOptionError} for what is none.
 */
export async function doctor(
  models: AnyModel | readonly AnyModel[],
  options: DoctorOptions = {},
): Promise<Diagnosis[]> {
  const all = [models].flat().map((model: AnyModel) => definitionOf(model));
  for (const { model } of all) await connected(model);
  const diagnoses: Diagnosis[] = [];
  for (const check of CHECKS) {
    diagnoses.push(await diagnose(check, all, options));
    tellProgress(options, diagnoses.length);
  }

  return diagnoses;
}

/** What it throws, or rejects with, is no finding. */
function tellProgress({ onProgress }: DoctorOptions, done: number): void {
  void (async () => onProgress?.(done, CHECKS.length))().catch(() => {});
}

async function diagnose(check: Check, all: readonly Definition[], options: DoctorOptions): Promise<Diagnosis> {
  const { fix = false, partial: isPartial = false } = options;
  const findings: Finding[] = [];
  const notes: string[] = [];
  for (const definition of check.isOfCollection ? byCollection(all) : all) {
    const { modelName: model } = definition.model;
    const note = (text: string) => void notes.push(`${model}: ${text}`);
    for (const found of await lookAt(check, { definition, fix, isPartial, note })) findings.push({ model, ...found });
  }
  const ok = findings.every(({ severity, fixed }) => severity === 'warning' || fixed === true);

  return { check: check.name, about: check.about, ok, findings, notes };
}

/** A kind shares its collection with its base, which has all of its tasks. */
function byCollection(all: readonly Definition[]): Definition[] {
  const bases = all.map((one) => (one.kind && !one.kindOnly ? definitionOf(rootOf(one.model)) : one));

  return [...new Set(bases)];
}

async function lookAt(check: Check, exam: Exam) {
  try {
    return await check.look(exam);
  } catch (error) {
    if (isOutOfReach(error)) throw error;
    if (isTimeExpired(error)) exam.note(`not looked at: it took longer than ${MAX_MS / 1_000} seconds`);
    else if (isMissingIndex(error)) exam.note('not looked at: an index is missing');
    else exam.note(`not looked at: ${lineOf(explained(error))}`);

    return [];
  }
}
