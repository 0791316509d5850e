import { isDeepStrictEqual } from 'node:util';
import type { Definition, RawDocument } from '../definition/definition';
import { valueAt } from '../dependencies/condition';
import { dependencyPaths } from '../dependencies/references';
import { generationOf } from '../server/clock';
import { confirm } from '../server/confirm';
import { only, read } from '../server/read';
import { keyOf } from '../values/id';
import { judgeAgain, type Judgement } from './judged';

/** At most this many times claimed tasks are judged again while primaries change. */
const TRIES = 5;

/** The claimed tasks that are not ready any more, although they were judged ready before the claim. */
export async function outdatedOf(
  definition: Definition,
  ready: readonly Judgement[],
  claimed: readonly RawDocument[],
  generation: number | undefined,
): Promise<readonly RawDocument[]> {
  // The acknowledgement of a claim covers what was read before from the same primary. What another one had may have been rolled back.
  if (generationOf(definition.model) !== generation) return notReady(definition, claimed);

  return changed(definition, ready, claimed);
}

/** Judges claimed tasks until one primary has both judged and confirmed them. Resolves to those that are not ready, else to all. */
async function notReady(definition: Definition, claimed: readonly RawDocument[]): Promise<readonly RawDocument[]> {
  const { model, writeConcern } = definition;
  const ids = claimed.map(({ _id }) => _id as unknown);
  for (let tries = 0; tries < TRIES; tries++) {
    const generation = generationOf(model);
    const again = await judgeAgain(definition, ids);
    await confirm(model, writeConcern);
    if (generationOf(model) !== generation) continue;

    const isReady = new Set(again.flatMap(({ task, verdict }) => (verdict.kind === 'ready' ? keyOf(task._id) : [])));
    return claimed.filter(({ _id }) => !isReady.has(keyOf(_id)));
  }
  return claimed;
}

async function changed(
  definition: Definition,
  ready: readonly Judgement[],
  claimed: readonly RawDocument[],
): Promise<RawDocument[]> {
  const judged = new Map(ready.map(({ task }) => [keyOf(task._id), task]));
  const paths = dependencyPaths(definition.model);
  const asClaimed = definition.hidden ? await readPaths(definition, claimed, paths) : claimed;
  const isChanged = new Set(
    asClaimed
      .filter((task) =>
        paths.some((path) => !isDeepStrictEqual(valueAt(task, path), valueAt(judged.get(keyOf(task._id)), path))),
      )
      .map(({ _id }) => keyOf(_id)),
  );

  return claimed.filter(({ _id }) => isChanged.has(keyOf(_id)));
}

// Reads paths that a claim leaves out because the schema hides them.
async function readPaths(
  { model }: Definition,
  tasks: readonly RawDocument[],
  paths: readonly string[],
): Promise<RawDocument[]> {
  const ids = tasks.map(({ _id }) => _id as never);

  return read(model, { filter: { _id: { $in: ids } }, projection: only(paths), limit: ids.length });
}
