import { Schema } from 'mongoose';
import { type AnyClass, dependenciesOf, isDeclaredAnew } from '../declare/decorator';
import { type DeclaringPath, keepDependency, writeDependency } from '../declare/on-path';
import type { AnySchema } from '../definition/definition';

/** Classes that were loaded before the schema had all their paths. */
const early = new WeakMap<object, Set<AnyClass>>();

interface SchemaMethods {
  loadClass(type: AnyClass, virtualsOnly?: boolean): AnySchema;
  _clone(constructor?: unknown): AnySchema;
}

// `loadClass()` leaves no trace of the class on the schema, so the one place that sees it is wrapped, once, for all schemas.
const proto = Schema.prototype as unknown as SchemaMethods;
const { loadClass, _clone } = proto;
proto.loadClass = function loadClassWithDependencies(this: AnySchema, type, virtualsOnly) {
  const schema = loadClass.call(this, type, virtualsOnly);
  readClass(this, type);

  return schema;
};
// The model of a discriminator, and of another Mongoose instance, is made of a copy.
proto._clone = function cloneWithDependencies(this: AnySchema, constructor) {
  const copy = _clone.call(this, constructor);
  if (early.has(this)) early.set(copy, new Set(early.get(this)));

  return copy;
};

/** Writes what a decorated class declares to the paths of the schema. A subclass may declare anew, whichever is loaded first. */
export function readClass(schema: AnySchema, type: AnyClass): void {
  for (const [path, dependency] of dependenciesOf(type)) {
    const declared = (schema.path(path) as unknown as DeclaringPath | undefined)?.options.dependsOn;
    if (!schema.path(path)) early.set(schema, (early.get(schema) ?? new Set()).add(type));
    else if (isDeclaredAnew(declared, dependency)) keepDependency(schema, path, dependency);
    else if (!isDeclaredAnew(dependency, declared)) writeDependency(schema, path, dependency);
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
