import { Schema } from 'mongoose';
import { type AnyClass, dependenciesOf, isDeclaredAnew } from '../declare/decorator';
import { type DeclaringPath, keepDependency, writeDependency } from '../declare/on-path';
import type { AnySchema } from '../definition/definition';

/** For each schema, the classes that were loaded before it had all their paths. */
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
// Mongoose makes the model of a discriminator, or of another instance, from a copy of the schema.
proto._clone = function cloneWithDependencies(this: AnySchema, constructor) {
  const copy = _clone.call(this, constructor);
  if (early.has(this)) early.set(copy, new Set(early.get(this)));

  return copy;
};

/** Writes the dependencies of a decorated class to the schema's paths. A subclass may replace them, whichever class is loaded first. */
export function readClass(schema: AnySchema, type: AnyClass): void {
  for (const [path, dependency] of dependenciesOf(type)) {
    const declared = (schema.path(path) as unknown as DeclaringPath | undefined)?.options.dependsOn;
    if (!schema.path(path)) early.set(schema, (early.get(schema) ?? new Set()).add(type));
    else if (isDeclaredAnew(declared, dependency)) keepDependency(schema, path, dependency);
    else if (!isDeclaredAnew(dependency, declared)) writeDependency(schema, path, dependency);
  }
}

/** Reads again the classes that were loaded before their paths. @throws {InvalidOptionError} for a path that is still missing. */
export function readEarlyClasses(schema: AnySchema): void {
  for (const type of early.get(schema) ?? []) {
    readClass(schema, type);
    for (const [path, dependency] of dependenciesOf(type))
      if (!schema.path(path)) writeDependency(schema, path, dependency);
  }
  early.delete(schema);
}
