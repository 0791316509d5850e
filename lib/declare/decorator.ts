import 'reflect-metadata';
import { isDeepStrictEqual } from 'node:util';
import { InvalidOptionError } from '../errors';
import { resolveDependency } from './check-dependency';
import type { Dependency, DependencyOptions, DependencyType } from './dependency';
import { declaredTwice } from './on-path';

// Node 20 has no `Symbol.metadata`. Compilers look for it when a class is evaluated, so it must be there when this file is loaded.
(Symbol as { metadata?: symbol }).metadata ??= Symbol.for('Symbol.metadata');
const METADATA = (Symbol as unknown as { metadata: symbol }).metadata;
const KEY = Symbol.for('mongoose-task-queue:dependencies');

type Table = Map<string, Dependency>;
export type AnyClass = abstract new (...args: never[]) => unknown;
/** A prototype, not a constructor. */
type Prototype = object & { prototype?: never };

/** Works under `experimentalDecorators` and under standard decorators. */
export interface DependsOnDecorator {
  <This, Value>(
    value: undefined,
    context: ClassFieldDecoratorContext<This, Value> & { name: string; static: false; private: false },
  ): void;
  (target: Prototype, key: string, descriptor?: undefined): void;
}

/**
 * Declares a reference field as a dependency: `pop()` hands a task out only when the documents that the field refers to are done.
 *
 * @throws {InvalidOptionError} for an unknown type or option, where the class is defined.
 */
export function DependsOn(type: DependencyType, options: DependencyOptions = {}): DependsOnDecorator {
  return ((target: object | undefined, second: unknown, descriptor?: unknown) => {
    const name = isContext(second) ? second.name : second;
    if (typeof name !== 'string' || !(isContext(second) ? isOwnField(second) : isField(target, descriptor))) {
      throw new InvalidOptionError(
        `@DependsOn belongs on a field that holds references, which \`${nameOf(target, name)}\` is not. Write for example \`@DependsOn('DIRECT') source: Types.ObjectId;\`.`,
      );
    }
    const dependency = resolveDependency(name, { ...options, type });
    const table = isContext(second) ? standardTable(second) : legacyTable(target!);
    const known = table.get(name);
    if (known && !isDeepStrictEqual(known, dependency)) throw declaredTwice(name, known, dependency);
    table.set(name, dependency);
  }) as DependsOnDecorator;
}

/** The class in which a decorator declared each dependency. */
const declaredBy = new WeakMap<Dependency, AnyClass>();

/** The dependencies a class and its ancestors declare; the nearest class wins. */
export function dependenciesOf(type: AnyClass): ReadonlyMap<string, Dependency> {
  const found: Table = new Map();
  for (let current: unknown = type; isClass(current); current = Object.getPrototypeOf(current)) {
    for (const [name, dependency] of tablesOf(current).flatMap((table) => [...table])) {
      declaredBy.set(dependency, current);
      if (!found.has(name)) found.set(name, dependency);
    }
  }

  return found;
}

/** Whether the class that declared `by` extends the class that declared `dependency`. */
export function isDeclaredAnew(dependency: unknown, by: unknown): boolean {
  const ancestor = declaredBy.get(dependency as Dependency);
  const descendant = declaredBy.get(by as Dependency);

  return ancestor !== undefined && descendant?.prototype instanceof ancestor;
}

// Own metadata only: a table inherited from the parent class must not be changed.
function legacyTable(prototype: object): Table {
  let table = Reflect.getOwnMetadata(KEY, prototype) as Table | undefined;
  if (!table) {
    table = new Map();
    Reflect.defineMetadata(KEY, table, prototype);
  }

  return table;
}

function standardTable({ metadata }: ClassMemberDecoratorContext): Table {
  const box = metadata as Record<symbol, Table>;
  if (!Object.hasOwn(box, KEY)) box[KEY] = new Map();

  return box[KEY]!;
}

function tablesOf(type: AnyClass): Table[] {
  const legacy = Reflect.getOwnMetadata(KEY, type.prototype as object) as Table | undefined;
  const box = Object.hasOwn(type, METADATA)
    ? (type as unknown as Record<symbol, Record<symbol, Table>>)[METADATA]!
    : {};
  const standard = Object.hasOwn(box, KEY) ? box[KEY] : undefined;

  return [legacy, standard].filter((table) => table !== undefined);
}

/** Standard decorators get a context object as second argument, legacy ones a name. */
function isContext(second: unknown): second is ClassMemberDecoratorContext {
  return typeof second === 'object' && second !== null;
}

function isOwnField(context: ClassMemberDecoratorContext): context is ClassFieldDecoratorContext {
  return context.kind === 'field' && !context.static && !context.private;
}

// Babel's legacy mode passes a descriptor for fields too, but only methods and accessors have a function in it. For a parameter the
// descriptor is its position; for a static the target is the class.
function isField(target: object | undefined, descriptor: unknown): boolean {
  const { value, get, set } = (descriptor ?? {}) as PropertyDescriptor;

  return typeof target === 'object' && typeof descriptor !== 'number' && !(typeof value === 'function' || get || set);
}

function nameOf(target: object | undefined, name: unknown): string {
  return name === undefined && typeof target === 'function' ? `class ${target.name}` : String(name);
}

/** Whether a value is a class, or another function with a `prototype`. */
export function isClass(value: unknown): value is AnyClass {
  return typeof value === 'function' && typeof value.prototype === 'object';
}
