import { collectionOf, type Definition, type RawDocument } from '../definition/definition';
import { watchesFor } from '../dependencies/references';
import type { Watch } from '../dependencies/targets';
import { existingIndexes } from '../indexes/existing';
import { outboxIndex } from '../indexes/outbox';
import { generationOf } from '../server/clock';
import { confirm } from '../server/confirm';
import { read } from '../server/read';
import { readBookkeeping } from '../task/bookkeeping';
import { keyOf } from '../values/id';
import { disarm } from '../waiting/disarm';
import { changeOf } from '../waiting/waited-for';
import { counted, LIMIT, MAX_MS, readSome } from './bounds';
import type { Check, Exam, Found } from './finding';

/** So often the tasks that wait for some documents are read, each time without those documents that were found to be waited for. */
const ROUNDS = 20;

export const marks: Check = {
  name: 'marks',
  about: 'documents carry marks only while tasks wait for them',
  isOfCollection: true,

  async look(exam: Exam): Promise<Found[]> {
    const found: Found[] = [];
    for (const watch of exam.isPartial ? [] : watchesFor(exam.definition.model)) {
      found.push(...(await orphansOf(exam, watch)));
      await noteOthers(exam, watch);
    }

    return found;
  },
};

async function orphansOf(exam: Exam, watch: Watch): Promise<Found[]> {
  const { definition, fix } = exam;
  const generation = generationOf(definition.model);
  const orphans = await unwatched(definition, watch, await marked(exam, watch));
  if (orphans.length === 0) return [];
  const { name } = watch.model.collection;
  const found: Found = {
    text: `${counted(orphans.length, 'document')} of ${name} with a mark although no task waits for ${orphans.length === 1 ? 'it' : 'them'} (${outboxIndex(watch).name})`,
    hint: 'Harmless: it costs an entry in an index until the document meets the condition. `--fix` takes it off.',
    severity: 'warning',
  };
  if (!fix) return [found];

  // As a wake does: only what no fail-over can bring back a task for, and only the marks that were read before the tasks were.
  await confirm(definition.model, definition.writeConcern);
  if (generationOf(definition.model) !== generation) return [{ ...found, fixed: false }];
  await disarm(watch, orphans);
  const left = await unwatched(definition, watch, await marked(exam, watch));

  return [{ ...found, fixed: left.length === 0 }];
}

function marked(exam: Exam, watch: Watch): Promise<RawDocument[]> {
  const armed = `_task.armed.${watch.mark}`;
  const { name: hint } = outboxIndex(watch);
  const what = `marked documents of ${watch.model.collection.name}`;

  return readSome(exam, watch.model, what, {
    filter: { [armed]: { $exists: true } },
    projection: { [armed]: 1 },
    hint,
  });
}

/** The documents for which no task waits. */
async function unwatched({ model }: Definition, watch: Watch, documents: RawDocument[]): Promise<RawDocument[]> {
  const field = watch.watchers === 'doomed' ? 'doomedBy' : 'waitingOn';
  let left = documents;
  for (let round = 0; left.length > 0; round++) {
    const filter = { [`_task.${field}`]: { $in: left.map(({ _id }) => changeOf(watch, _id)) } };
    const tasks = await read(model, { filter, projection: { [`_task.${field}`]: 1 }, limit: LIMIT, maxTimeMS: MAX_MS });
    const awaited = new Set(
      tasks.flatMap(({ _task: task }) => (readBookkeeping(task)[field] ?? []).map(({ id }) => keyOf(id))),
    );
    const rest = left.filter(({ _id }) => !awaited.has(keyOf(_id)));
    if (tasks.length < LIMIT) return rest;
    // So many tasks wait that those left may well be waited for.
    if (round === ROUNDS || rest.length === left.length) return [];
    left = rest;
  }

  return left;
}

/** Other marks may be those of other programs: only they know whether anybody waits. */
async function noteOthers({ definition, note }: Exam, { model }: Watch): Promise<void> {
  const known = new Set(watchesFor(definition.model).map((watch) => outboxIndex(watch).name));
  const others = (await existingIndexes(model)).filter(
    ({ name }) => name.startsWith('task_outbox_') && !known.has(name),
  );
  if (others.length > 0)
    note(
      `${collectionOf(model).collectionName} has marks of other models or of an earlier \`when\`: ${others.map(({ name }) => name).join(', ')}`,
    );
}
