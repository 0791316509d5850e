import { type AnyModel, type AnySchema, definitionOf } from '../definition/definition';
import { taskIndexes } from '../indexes/task-indexes';
import type { View } from './view';

/** A path of a model that can be seen and searched. */
export interface Field {
  readonly path: string;
  readonly type: string;
  /** Whether a declared index begins with it, or the index of the state's tasks does. */
  readonly indexed: boolean;
}

/** The types that are shown in one line. */
const SIMPLE = new Set([
  'String',
  'Number',
  'Date',
  'Boolean',
  'ObjectId',
  'Decimal128',
  'BigInt',
  'Int32',
  'Double',
  'UUID',
]);
const IN_SUMMARY = 3;

interface SchemaPath {
  instance: string;
  options: { immutable?: unknown };
}

/** The paths of a model that are not hidden, its `_id` first. */
export function fieldsOf(view: View, model: AnyModel): Field[] {
  const indexed = new Set(['_id', ...firstPaths(model)]);

  return pathsOf(model)
    .filter(([path]) => !view.isHidden(model, path))
    .map(([path, { instance }]) => ({ path, type: instance, indexed: indexed.has(path) }))
    .toSorted((one, other) => Number(other.path === '_id') - Number(one.path === '_id'));
}

/** The paths of the model's own fields that tell tasks apart in one line. */
export function summaryPaths(view: View, model: AnyModel): string[] {
  const own = ownPaths(model).filter(([path, { instance }]) => SIMPLE.has(instance) && !view.isHidden(model, path));

  return own.slice(0, IN_SUMMARY).map(([path]) => path);
}

/** The paths that may be changed by hand. */
export function editablePaths(view: View, model: AnyModel): string[] {
  return ownPaths(model)
    .filter(([, { options }]) => options.immutable !== true)
    .map(([path]) => path)
    .concat(definitionOf(model).options.fields.priority)
    .filter((path) => !view.hidesPartOf(model, path));
}

/** The first paths of all declared indexes: those are what a search is quick by. */
export function firstPaths(model: AnyModel): string[] {
  const declared = (model.schema as AnySchema).indexes().map(([key]) => Object.keys(key)[0]!);
  const queue = taskIndexes(definitionOf(model)).map(({ key }) => Object.keys(key)[0]!);

  return [...new Set([...declared, ...queue])];
}

function ownPaths(model: AnyModel): [string, SchemaPath][] {
  const { options, kind, updatedAt } = definitionOf(model);
  const { versionKey } = (model.schema as AnySchema & { options: { versionKey?: unknown } }).options;
  const ours = new Set<unknown>(['_id', versionKey, kind?.key, updatedAt?.path, ...Object.values(options.fields)]);
  const kindPath = (model.schema as AnySchema & { discriminatorMapping?: { key: string } }).discriminatorMapping?.key;

  return pathsOf(model).filter(([path]) => !ours.has(path) && path !== kindPath);
}

function pathsOf(model: AnyModel): [string, SchemaPath][] {
  const paths = Object.entries((model.schema as AnySchema).paths) as unknown as [string, SchemaPath][];

  return paths.filter(([path]) => !path.endsWith('.$*'));
}
