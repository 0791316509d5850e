import type { Definition, RawDocument } from '../definition/definition';
import { read } from '../server/read';
import type { ReadyQuery } from './ready';
import { notSkipped } from './skipped';

/** The first tasks that can be claimed now, in claim order, with the fields of a projection. */
export async function candidates(
  { model }: Definition,
  query: ReadyQuery,
  limit: number,
  projection: Readonly<Record<string, 1>>,
): Promise<RawDocument[]> {
  const { filter, order: sort, hint } = query;

  return read(model, { filter: { ...filter, ...notSkipped(model) }, projection, sort, limit, hint });
}

/** The ids of the first tasks that can be claimed now, in claim order. */
export async function candidateIds(definition: Definition, query: ReadyQuery, limit: number): Promise<unknown[]> {
  const found = await candidates(definition, query, limit, { _id: 1 });

  return found.map(({ _id }) => _id as unknown);
}
