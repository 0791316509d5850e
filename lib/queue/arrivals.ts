import type { mongo } from 'mongoose';
import { namespaceOf, type AnyModel } from '../definition';

type Listener = () => void;

const listeners = new WeakMap<mongo.MongoClient, Map<string, Set<Listener>>>();

/** Tells the idle queues of this process that a task of the model may have become ready. A hint: they look for themselves. */
export function announce(model: AnyModel): void {
  announceNamespace(model.db.getClient() as unknown as mongo.MongoClient, namespaceOf(model));
}

/** The same for a collection that is known by its name. */
export function announceNamespace(client: mongo.MongoClient, namespace: string): void {
  for (const listener of listeners.get(client)?.get(namespace) ?? []) listener();
}

/** Calls `listener` at each announcement for the model's collection, until the returned function is called. */
export function onArrival(model: AnyModel, listener: Listener): () => void {
  const client = model.db.getClient() as unknown as mongo.MongoClient;
  const namespaces = listeners.get(client) ?? new Map<string, Set<Listener>>();
  listeners.set(client, namespaces);
  const namespace = namespaceOf(model);
  const registered = namespaces.get(namespace) ?? new Set<Listener>();
  namespaces.set(namespace, registered);
  registered.add(listener);

  return () => {
    registered.delete(listener);
    if (registered.size === 0 && namespaces.get(namespace) === registered) namespaces.delete(namespace);
  };
}
