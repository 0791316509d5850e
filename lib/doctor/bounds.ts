import type { AnyModel, RawDocument } from '../definition/definition';
import { type Find, read } from '../server/read';
import type { Exam } from './finding';

/** At most this many documents are read by one query of a check. */
export const LIMIT = 1_000;

/** How long one query of a check may take, in milliseconds: it must not get in the way of those who work. */
export const MAX_MS = 5_000;

/** How long after a first look a check looks once more, in milliseconds: between two writes of one step there is nothing wrong. */
export const LOOK_AGAIN_MS = 300;

export const DAY_MS = 86_400_000;

/** Reads documents for a check, and notes where there were more than it reads. */
export async function readSome(
  { note }: Pick<Exam, 'note'>,
  model: AnyModel,
  what: string,
  find: Omit<Find, 'limit' | 'maxTimeMS'>,
): Promise<RawDocument[]> {
  const found = await read(model, { ...find, limit: LIMIT, maxTimeMS: MAX_MS });
  if (found.length === LIMIT) note(`only the first ${LIMIT.toLocaleString('en')} ${what} were looked at`);

  return found;
}

/** A number of things, in words: `1 task`, `3 tasks`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}
