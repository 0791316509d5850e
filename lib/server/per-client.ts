import type { AnyModel } from '../definition/definition';

/**
 * One `T` for each client and name, made on first use and gone with the client: for what models share that are stored in one place.
 */
export function perClient<T>(
  nameOf: (model: AnyModel) => string,
  make: (model: AnyModel) => T,
): (model: AnyModel) => T {
  const all = new WeakMap<object, Map<string, T>>();
  const last = new WeakMap<AnyModel, { readonly client: object; readonly one: T }>();

  return (model) => {
    // A connection that was never opened has no client, and one that was opened again has another.
    const client = (model.db.getClient() ?? model.db) as unknown as object;
    const known = last.get(model);
    if (known?.client === client) return known.one;

    const ofClient = all.get(client) ?? new Map<string, T>();
    all.set(client, ofClient);
    const name = nameOf(model);
    const one = ofClient.get(name) ?? make(model);
    ofClient.set(name, one);
    last.set(model, { client, one });

    return one;
  };
}
