import { type AnyModel, namespaceOf } from '../definition/definition';
import { isStandalone } from '../server/clock';
import { listenersOf } from '../side/listeners';
import { announceNamespace } from './arrivals';
import { senderOf } from './signal';

/** Tells idle consumers, those of this process at once, that a task of the model may be ready. It is a hint: each consumer looks for itself. */
export function announce(model: AnyModel): void {
  announceNamespace(namespaceOf(model));
  // Other servers tell it by their change streams.
  if (isStandalone(model)) listenersOf(model).ifAny(() => senderOf(model).tell(model.collection.name));
}
