import { type AnyModel, collectionOf, type Definition } from '../definition/definition';
import { ofSharedIndex } from '../definition/kind';
import { LIVE_STATES, State } from '../fields';
import { watchedSeconds } from '../retention';
import { persistently } from '../server/transient';
import { indexName, type IndexRole } from './claim-index';
import type { TaskIndex } from './existing';

/** The TTL indexes of a model: one, or with different times one for each way in which a task is kept. */
export function expiryIndexes(definition: Definition): TaskIndex[] {
  const { expireAfterSeconds, retention } = definition;
  const ofPushed = { '_task.expiresFrom': { $exists: true } };
  if (!retention) return expiryOn(definition, 'expiry', '_task.expiresFrom', ofPushed, expireAfterSeconds);

  const live = { [definition.options.fields.state]: { $in: [...LIVE_STATES] }, ...ofPushed };

  return [
    ...expiryOn(definition, 'expiry_unsettled', '_task.expiresFrom', live, retention.unsettled),
    ...expiryOf(definition, State.FINISHED, retention.finished),
    ...expiryOf(definition, State.FAILED, retention.failed),
    ...expiryOf(definition, State.CANCELLED, retention.cancelled),
  ];
}

// A task that others wait for is kept longer: they have to learn how it ended. But it is not kept for ever, since a mark may stay on a task
// for which nobody waits any more. Its own index for each state, so that the filters are the same for all times.
function expiryOf(definition: Definition, one: State, seconds: number | false): TaskIndex[] {
  const { state } = definition.options.fields;
  const name = one.toLowerCase();
  const unwatched = { [state]: one, '_task.armed': null };
  const watched = { [state]: one, '_task.armed': { $exists: true } };

  return [
    ...expiryOn(definition, `expiry_${name}`, '_task.settledAt', unwatched, seconds),
    ...expiryOn(definition, `expiry_watched_${name}`, '_task.settledAt', watched, watchedSeconds(seconds)),
  ];
}

// Without the filter an index would hold every document, those that were never pushed as null.
function expiryOn(
  definition: Definition,
  role: IndexRole,
  path: string,
  filter: Record<string, unknown>,
  expireAfterSeconds: number | false,
): TaskIndex[] {
  if (expireAfterSeconds === false) return [];

  return [
    {
      name: indexName(definition, role),
      key: { [path]: 1 },
      expireAfterSeconds,
      partialFilterExpression: { ...ofSharedIndex(definition), ...filter },
    },
  ];
}

const ROLES: readonly IndexRole[] = [
  'expiry',
  'expiry_unsettled',
  'expiry_finished',
  'expiry_failed',
  'expiry_cancelled',
  'expiry_watched_finished',
  'expiry_watched_failed',
  'expiry_watched_cancelled',
];

export async function changeExpiry(model: AnyModel, { name, expireAfterSeconds }: TaskIndex): Promise<void> {
  await persistently(() =>
    model.db.db!.command({ collMod: model.collection.name, index: { name, expireAfterSeconds } }),
  );
}

/** Drops the TTL indexes that the model no longer has. */
export async function dropExpiry(definition: Definition, existing: readonly TaskIndex[]): Promise<void> {
  const wanted = expiryIndexes(definition).map(({ name }) => name);
  const ours = ROLES.map((role) => indexName(definition, role));
  const old = existing.filter(({ name }) => ours.includes(name) && !wanted.includes(name));
  for (const { name } of old) await drop(definition.model, name);
}

async function drop(model: AnyModel, name: string): Promise<void> {
  await persistently(() => collectionOf(model).dropIndex(name)).catch((error: { codeName?: string }) => {
    if (error.codeName !== 'IndexNotFound') throw error;
  });
}
