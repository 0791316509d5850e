import type { Connection } from 'mongoose';
import { type AnyModel, type AnySchema, definitionOf, optionsOf } from '../definition/definition';
import { declareOutboxes } from '../indexes/outbox';
import { COPY } from '../mongoose';

const watched = new WeakSet<Connection>();

/**
 * Watches the models of a connection: a schema has an event for models compiled from it, but none for kinds that inherit from it later, nor for
 * models that its tasks wait for. The connection has one for all models.
 */
export function watchModels({ db }: AnyModel, compiled: (kind: AnyModel) => void): void {
  if (watched.has(db)) return;
  watched.add(db);
  db.on('model', (model: AnyModel) => {
    if (isOurs(model) && definitionOf(model).kind) compiled(model);
    // A moment later, when the connection has the model under its name.
    void Promise.resolve().then(() => {
      for (const one of Object.values(db.models as Record<string, AnyModel>)) if (isOurs(one)) declareOutboxes(one);
    });
  });
}

/** Whether the model is a queue of this copy of the package. */
function isOurs(model: AnyModel): boolean {
  return optionsOf(model.schema as AnySchema)?.copy === COPY;
}
