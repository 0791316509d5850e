import type { AnyModel } from '../definition/definition';
import { watchesFor } from '../dependencies/references';
import { compare, wantedIndexes } from '../indexes/compare';
import { ensureTaskIndexes } from '../indexes/ensure';
import { existingIndexes, type TaskIndex } from '../indexes/existing';
import { outboxIndex } from '../indexes/outbox';
import { lineOf } from '../values/describe';
import type { Check, Exam, Found } from './finding';

export const indexes: Check = {
  name: 'indexes',
  about: 'the indexes are those of the schema',
  isOfCollection: false,

  async look(exam: Exam): Promise<Found[]> {
    const { model } = exam.definition;
    const before = await differences(exam);
    if (!exam.fix || before.length === 0) return before;

    const refusal = await ensureTaskIndexes(model).then(
      () => null,
      (error: unknown) => lineOf(error),
    );
    const left = new Set((await differences(exam)).map(({ text }) => text));
    return before.map((found) =>
      left.has(found.text)
        ? { ...found, fixed: false, ...(refusal && !found.isConflict && { hint: refusal }) }
        : { ...found, fixed: true },
    );
  },
};

type Difference = Found & { readonly isConflict?: boolean };

async function differences(exam: Exam): Promise<Difference[]> {
  const { model } = exam.definition;
  const outboxes = exam.isPartial ? [] : watchesFor(model);

  return [
    ...(await compareOf(exam, model, wantedIndexes(model))),
    ...(await Promise.all(outboxes.map((watch) => compareOf(exam, watch.model, [outboxIndex(watch)])))).flat(),
  ];
}

async function compareOf({ isPartial }: Exam, model: AnyModel, wanted: readonly TaskIndex[]): Promise<Difference[]> {
  const existing = await existingIndexes(model);
  const { missing, outdated, conflicts } = compare(existing, wanted);
  const { name: collection } = model.collection;
  const create = isPartial
    ? 'Run `ensureTaskIndexes()` in a deploy step, or this with `--require` and `--fix`.'
    : '`ensureTaskIndexes()` creates it; so does `--fix`.';
  const isHidden = (one: TaskIndex) => (one as { hidden?: boolean }).hidden === true;

  return [
    ...missing.map(({ name, key }) => ({
      text: `${collection} lacks the index ${name} ${JSON.stringify(key)}`,
      hint: create,
      severity: 'error' as const,
    })),
    ...outdated.map(({ name, expireAfterSeconds: wantedSeconds }) => ({
      text: `${collection}.${name} expires after ${existing.find((one) => one.name === name)?.expireAfterSeconds} seconds, the schema says ${wantedSeconds}`,
      hint: '`ensureTaskIndexes()` changes it; so does `--fix`.',
      severity: 'warning' as const,
    })),
    ...conflicts.map(({ wanted: one, found }) => ({
      text: `${collection}.${found.name} is ${JSON.stringify(found)}, the queue needs ${JSON.stringify(one)}`,
      hint: `Drop it: \`db.${collection}.dropIndex('${found.name}')\`, then run \`ensureTaskIndexes()\`.`,
      severity: 'error' as const,
      isConflict: true,
    })),
    ...existing
      .filter((one) => isHidden(one) && wanted.some(({ name }) => name === one.name))
      .map(({ name }) => ({
        text: `${collection}.${name} is hidden, so that no claim can use it`,
        hint: `Show it: \`db.${collection}.unhideIndex('${name}')\`.`,
        severity: 'error' as const,
        isConflict: true,
      })),
  ];
}
