import { type AnyModel, namespaceOf } from '../definition/definition';

type Listener = () => void;

// By name alone: two connections of this process may lead to one server. A collection of that name on another server only makes
// a queue look once more.
const listeners = new Map<string, Set<Listener>>();

/** Tells the idle queues of this process that a task of the model may have become ready. A hint: they look for themselves. */
export function announce(model: AnyModel): void {
  announceNamespace(namespaceOf(model));
}

/** The same for a collection that is known by its name. */
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
