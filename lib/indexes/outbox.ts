import { type AnyModel, type AnySchema, collectionOf, rootOf } from '../definition/definition';
import { certainWatchesFor, watchesFor } from '../dependencies/references';
import type { Watch } from '../dependencies/targets';
import { UnauthorizedError } from '../errors';
import { codeOf, isUnauthorized } from '../server/permanent';
import { patiently } from '../server/transient';
import { declare } from './declared';
import { hasIndex, type TaskIndex } from './existing';

/** Models whose documents cannot be marked: tasks that wait for them are found only by their re-checks. */
const unwatchable = new WeakSet<AnyModel>();

/** Unauthorized, InvalidNamespace, CommandNotSupportedOnView, OptionNotSupportedOnView: by code, since errors of writes have no name. */
const REFUSED = new Set<unknown>([13, 73, 166, 167]);

/** The index in which the server collects watched documents that meet a condition, whichever program wrote them. */
export function outboxIndex({ model, mark, condition }: Watch): TaskIndex {
  const fields = indexable(model.schema as AnySchema, Object.keys(condition));

  return {
    name: `task_outbox_${mark}`,
    key: Object.fromEntries([...fields, `_task.armed.${mark}`].map((field) => [field, 1])),
    partialFilterExpression: { [`_task.armed.${mark}`]: { $exists: true } },
  };
}

// At most one array per index: the server refuses writes of documents with two indexed arrays. The query checks the other fields.
function indexable(schema: AnySchema, fields: readonly string[]): string[] {
  const isSingle = (field: string) =>
    field.split('.').every((_, end, parts) => {
      const path = parts.slice(0, end + 1).join('.');
      const type = schema.path(path) as { instance: string } | undefined;
      return type ? !['Array', 'Mixed', 'Map'].includes(type.instance) : schema.pathType(path) === 'nested';
    });
  const single = fields.filter(isSingle);

  return [...single, ...fields.filter((field) => !single.includes(field)).slice(0, 1)];
}

/** Whether the server refuses to mark any document of a collection: it is a view, or the user lacks the right. */
export function isUnmarkable(error: unknown): boolean {
  return error instanceof UnauthorizedError || REFUSED.has(codeOf(error));
}

/** The watches of a model whose documents can be marked. */
export function watchable(model: AnyModel): Watch[] {
  return watchesFor(model).filter((watch) => !unwatchable.has(watch.model));
}

/** Creates the outbox indexes on the collections that tasks of the model wait for, and adds them to the schemas there. */
export async function ensureOutboxes(model: AnyModel): Promise<void> {
  for (const watch of watchesFor(model)) {
    await ensureOutbox(watch);
    makeKnown(watch);
  }
}

/** Adds the outbox indexes to the schemas of the models that tasks wait for, as far as these models are defined by now. */
export function declareOutboxes(model: AnyModel): void {
  certainWatchesFor(model).forEach(makeKnown);
}

function makeKnown(watch: Watch): void {
  const { model } = watch;
  // `syncIndexes()` of the dependency's model drops indexes that its schema lacks. For a kind the index is added to its base: Mongoose
  // adds a filter by the kind to indexes of the kind's own schema.
  declare(rootOf(model), [outboxIndex(watch)]);
  for (const one of [model, ...Object.values((model.discriminators ?? {}) as Record<string, AnyModel>)])
    hideMarks(one.schema as AnySchema);
}

async function ensureOutbox(watch: Watch): Promise<void> {
  try {
    await patiently(() => collectionOf(watch.model).createIndexes([outboxIndex(watch) as never]));
  } catch (error) {
    if (!isUnmarkable(error)) throw error;
    // Another user may have created the index.
    if (isUnauthorized(error) && (await hasIndex(watch.model, outboxIndex(watch)))) return;
    unwatchable.add(watch.model);
  }
}

const hidden = new WeakSet<AnySchema>();

type Transform = (document: unknown, result: Record<string, unknown>, options: unknown) => unknown;

/** Removes the marks from the `toJSON()` and `toObject()` of documents that are no tasks; tasks never show them. */
function hideMarks(schema: AnySchema): void {
  // A `_task` that is a path of the schema is the user's.
  if (hidden.has(schema) || schema.pathType('_task') !== 'adhocOrUndefined') return;
  hidden.add(schema);
  for (const option of ['toJSON', 'toObject'] as const) {
    const given = schema.get(option) as { transform?: Transform } | undefined;
    const hide: Transform = (document, result, options) => {
      // The transform is called for sub-documents too, whose own `_task` would be the user's.
      if (!(document as { $isSubdocument?: boolean }).$isSubdocument) delete result['_task'];
      return typeof given?.transform === 'function' ? given.transform(document, result, options) : result;
    };
    schema.set(option, { ...given, transform: hide } as never);
  }
}
