import { type AnyModel, definitionOf } from '../definition/definition';
import { hasDependencies } from '../dependencies/references';
import { sameIndex, type TaskIndex } from './existing';
import { taskIndexes, waitingIndexes } from './task-indexes';

/** How the indexes of a collection differ from those that are wanted. */
export interface Differences {
  readonly missing: readonly TaskIndex[];
  /** Those that differ in their expiry alone, as they are wanted: it can be changed in place. */
  readonly outdated: readonly TaskIndex[];
  /** Those that the server would refuse to create beside what is there. */
  readonly conflicts: readonly { readonly wanted: TaskIndex; readonly found: TaskIndex }[];
}

/** The indexes of a model on its own collection, but for those of its base. */
export function wantedIndexes(model: AnyModel): TaskIndex[] {
  const definition = definitionOf(model);

  return [...taskIndexes(definition), ...(hasDependencies(model) ? waitingIndexes(definition) : [])];
}

export function compare(existing: readonly TaskIndex[], wanted: readonly TaskIndex[]): Differences {
  const missing: TaskIndex[] = [];
  const outdated: TaskIndex[] = [];
  const conflicts: { wanted: TaskIndex; found: TaskIndex }[] = [];
  for (const one of wanted) {
    const found = existing.find((index) => index.name === one.name || sameIndex(index, one));
    // The same index under another name is a conflict too: claims hint theirs by name, and the server allows no second one.
    if (!found) missing.push(one);
    else if (found.name !== one.name || !sameIndex(found, one)) conflicts.push({ wanted: one, found });
    else if (found.expireAfterSeconds !== one.expireAfterSeconds) outdated.push(one);
  }

  return { missing, outdated, conflicts };
}
