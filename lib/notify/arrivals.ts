import { type AnyModel, namespaceOf } from '../definition/definition';

type Listener = () => void;

// By the collection's name alone, since two connections of this process may lead to one server. If they lead to two, a collection of the
// same name only makes a queue look once more.
const listeners = new Map<string, Set<Listener>>();

/** A model whose changes may make tasks ready; `isAwaited`: tasks wait for its documents. */
export interface Watched {
  readonly model: AnyModel;
  readonly isAwaited: boolean;
}

/**
 * Tells the idle consumers of this process that a task of a collection, given as `database.collection`, may be ready. It is a hint: each
 * consumer looks for itself.
 */
export function announceNamespace(namespace: string): void {
  for (const listener of listeners.get(namespace) ?? []) listener();
}

/** Calls `listener` at each announcement for the model's collection, until the returned function is called. */
export function onArrival(model: AnyModel, listener: Listener): () => void {
  const namespace = namespaceOf(model);
  const registered = listeners.get(namespace) ?? new Set<Listener>();
  listeners.set(namespace, registered);
  registered.add(listener);

  return () => {
    registered.delete(listener);
    if (registered.size === 0 && listeners.get(namespace) === registered) listeners.delete(namespace);
  };
}
