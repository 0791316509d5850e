import { Schema } from 'mongoose';
import type { AnySchema } from '../definition';
import { writeDependency } from './declare';
import { dependenciesOf } from './decorator';

export type AnyClass = abstract new (...args: never[]) => unknown;

/** Dependencies of classes that were loaded before the schema had the path. */
const early = new WeakMap<object, Set<AnyClass>>();
/** Which class declared a path: a subclass may declare it anew, and its ancestors are loaded too, in either order. */
const declaredBy = new WeakMap<object, Map<string, AnyClass>>();

// `loadClass()` leaves no trace of the class on the schema, so the one place that sees it is wrapped, once, for all schemas.
const proto = Schema.prototype as unknown as { loadClass(type: AnyClass, virtualsOnly?: boolean): AnySchema };
const { loadClass } = proto;
proto.loadClass = function loadClassWithDependencies(this: AnySchema, type, virtualsOnly) {
  const schema = loadClass.call(this, type, virtualsOnly);
  readClass(this, type);

  return schema;
};

/** Writes what a decorated class declares to the paths of the schema. */
export function readClass(schema: AnySchema, type: AnyClass): void {
  const owners = declaredBy.get(schema) ?? new Map<string, AnyClass>();
  declaredBy.set(schema, owners);
  for (const [path, dependency] of dependenciesOf(type)) {
    const owner = owners.get(path);
    if (owner && (owner === type || owner.prototype instanceof type)) continue;
    const options = schema.path(path)?.options as { dependsOn?: unknown } | undefined;
    if (!options) {
      early.set(schema, (early.get(schema) ?? new Set()).add(type));
      continue;
    }
    if (owner) delete options.dependsOn;
    writeDependency(schema, path, dependency);
    owners.set(path, type);
  }
}

/** Reads classes again that were loaded before their paths. Throws for a path that is still not there. */
export function readEarlyClasses(schema: AnySchema): void {
  for (const type of early.get(schema) ?? []) {
    readClass(schema, type);
    for (const [path, dependency] of dependenciesOf(type))
      if (!schema.path(path)) writeDependency(schema, path, dependency);
  }
  early.delete(schema);
}
