import { type AnyModel, collectionOf, type Definition } from '../definition/definition';
import { persistently } from '../server/transient';
import { indexName } from './claim-index';
import type { TaskIndex } from './existing';

export function expiryIndex(definition: Definition): TaskIndex {
  const { kind, kindOnly, expireAfterSeconds } = definition;

  return {
    name: indexName(definition, 'expiry'),
    key: { '_task.expiresFrom': 1 },
    expireAfterSeconds: expireAfterSeconds as number,
    // Without this filter the index would hold every document, those that were never pushed as null.
    partialFilterExpression: {
      ...(kindOnly && kind && { [kind.key]: kind.value }),
      '_task.expiresFrom': { $exists: true },
    },
  };
}

export async function changeExpiry(model: AnyModel, { name, expireAfterSeconds }: TaskIndex): Promise<void> {
  await persistently(() =>
    model.db.db!.command({ collMod: model.collection.name, index: { name, expireAfterSeconds } }),
  );
}

export async function dropExpiry(definition: Definition, existing: readonly TaskIndex[]): Promise<void> {
  const name = indexName(definition, 'expiry');
  if (!existing.some((index) => index.name === name)) return;

  await persistently(() => collectionOf(definition.model).dropIndex(name)).catch((error: { codeName?: string }) => {
    if (error.codeName !== 'IndexNotFound') throw error;
  });
}
