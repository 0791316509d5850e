import { type AnyModel, type AnySchema, definitionOf, namespaceOf, type RawDocument } from '../definition/definition';
import { ofKind } from '../definition/kind';
import { type Clause, clausesOf } from '../dependencies/clauses';
import { type Target, targetsOf, watchesOf } from '../dependencies/targets';
import { safely } from '../values/describe';
import { readBounded, TooSlowError } from './bounded';
import { edgeProjection } from './edges';
import type { View } from './view';

/** Tasks that refer to a document. `isCut`: there may be more. */
export interface Dependents {
  readonly found: { readonly model: AnyModel; readonly raw: RawDocument }[];
  readonly isCut: boolean;
}

/**
 * The tasks that wait for a document: where an index has their references all that refer to it, else those alone that are parked
 * behind it, or were failed by it, for which the queue has indexes of its own.
 */
export async function dependentsOf(view: View, model: AnyModel, id: unknown, limit: number): Promise<Dependents> {
  const found: Dependents['found'] = [];
  let isCut = false;
  for (const { dependent, clause, target } of watchersOf(view, model)) {
    const left = limit - found.length;
    if (left <= 0) return { found, isCut: true };
    const part = await findDependents(dependent, clause, target, id, left + 1).catch((error: unknown) => {
      if (!(error instanceof TooSlowError)) throw error;
      return null;
    });
    isCut ||= part === null || part.length > left;
    found.push(...(part ?? []).slice(0, left).map((raw) => ({ model: dependent, raw })));
  }

  return { found, isCut };
}

interface Watcher {
  readonly dependent: AnyModel;
  readonly clause: Clause;
  readonly target: Target;
}

function watchersOf(view: View, model: AnyModel): Watcher[] {
  return view.models.flatMap((dependent) =>
    clausesOf(dependent).flatMap((clause) => {
      if (view.hidesPartOf(dependent, clause.path)) return [];
      // A reference to a model that is not defined yet is met by the first pop.
      const targets = safely(() => targetsOf(dependent, clause)) ?? [];
      const own = targets.filter((target) => namespaceOf(target.model) === namespaceOf(model));
      return own.map((target) => ({ dependent, clause, target }));
    }),
  );
}

async function findDependents(
  dependent: AnyModel,
  { path, refPath }: Clause,
  target: Target,
  id: unknown,
  limit: number,
): Promise<RawDocument[]> {
  const own = ofKind(definitionOf(dependent).kind);
  const projection = edgeProjection(dependent);
  if (isIndexed(dependent, path)) {
    const ofModel = refPath === null ? {} : { [refPath]: target.model.modelName };
    return readBounded(dependent, { filter: { [path]: { $eq: id }, ...ofModel, ...own }, projection, limit });
  }
  const watches = watchesOf(target);
  const by = (watchers: string, field: string) => {
    const awaited = watches.filter((one) => one.watchers === watchers).map(({ mark }) => ({ mark, id }));
    return awaited.length === 0
      ? Promise.resolve([])
      : readBounded(dependent, { filter: { [field]: { $in: awaited }, ...own }, projection, limit });
  };

  return [...(await by('waiting', '_task.waitingOn')), ...(await by('doomed', '_task.doomedBy'))];
}

function isIndexed({ schema }: AnyModel, path: string): boolean {
  return (schema as AnySchema)
    .indexes()
    .some(
      ([key, { partialFilterExpression, sparse }]) =>
        Object.keys(key)[0] === path && !partialFilterExpression && !sparse,
    );
}
