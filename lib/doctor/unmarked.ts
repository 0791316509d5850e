import type { Definition, RawDocument } from '../definition/definition';
import { watchesFor } from '../dependencies/references';
import type { Watch } from '../dependencies/targets';
import { read } from '../server/read';
import { readBookkeeping } from '../task/bookkeeping';
import { keyOf } from '../values/id';
import { LIMIT, MAX_MS } from './bounds';

/**
 * Of parked tasks, those whose documents do not all carry the mark by which their change is found, or that wait for a change which no model
 * declares. A document that is not there cannot be marked: re-checks look for it every half minute.
 */
export async function unmarked(definition: Definition, parked: readonly RawDocument[]): Promise<RawDocument[]> {
  const watches = watchesFor(definition.model);
  const bare = new Set<string>();
  for (const watch of watches) {
    const ids = new Map(
      parked
        .flatMap((task) => waitedFor(task).filter(({ mark }) => mark === watch.mark))
        .map(({ id }) => [keyOf(id), id]),
    );
    for (const id of await withoutMark(watch, [...ids.values()])) bare.add(nameOf(watch.mark, id));
  }
  const known = new Set(watches.map(({ mark }) => mark));

  return parked.filter((task) =>
    waitedFor(task).some(({ mark, id }) => !known.has(mark) || bare.has(nameOf(mark, id))),
  );
}

async function withoutMark({ model, mark }: Watch, ids: readonly unknown[]): Promise<unknown[]> {
  const found: unknown[] = [];
  for (let start = 0; start < ids.length; start += LIMIT) {
    const part = ids.slice(start, start + LIMIT);
    const filter = { _id: { $in: part }, [`_task.armed.${mark}`]: { $exists: false } };
    const documents = await read(model, { filter, projection: { _id: 1 }, limit: LIMIT, maxTimeMS: MAX_MS });
    found.push(...documents.map(({ _id }) => _id as unknown));
  }

  return found;
}

function waitedFor({ _task: task }: RawDocument) {
  return readBookkeeping(task).waitingOn ?? [];
}

function nameOf(mark: string, id: unknown): string {
  return `${mark} ${keyOf(id)}`;
}
