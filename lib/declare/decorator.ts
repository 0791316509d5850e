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
/** An instance side, not a constructor. */
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
 * Declares a reference field to be a dependency: `pop()` hands a task out only when the documents it refers to are done.
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

/** The class of each dependency that a decorator declared. */
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

/** Whether a dependency was declared by a class that extends the one that declared the other. */
export function isDeclaredAnew(dependency: unknown, by: unknown): boolean {
  const ancestor = declaredBy.get(dependency as Dependency);
  const descendant = declaredBy.get(by as Dependency);

  return ancestor !== undefined && descendant?.prototype instanceof ancestor;
}

// Own metadata only: a table inherited from the parent must not be written to.
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

/** Standard decorators are told what they stand on, legacy ones its name. */
function isContext(second: unknown): second is ClassMemberDecoratorContext {
  return typeof second === 'object' && second !== null;
}

function isOwnField(context: ClassMemberDecoratorContext): context is ClassFieldDecoratorContext {
  return context.kind === 'field' && !context.static && !context.private;
}

// Babel's legacy mode hands a descriptor to fields as well: only a method or an accessor has these in it. Of a parameter it is
// the position, of a static the target is the class.
function isField(target: object | undefined, descriptor: unknown): boolean {
  const { value, get, set } = (descriptor ?? {}) as PropertyDescriptor;

  return typeof target === 'object' && typeof descriptor !== 'number' && !(typeof value === 'function' || get || set);
}

function nameOf(target: object | undefined, name: unknown): string {
  return name === undefined && typeof target === 'function' ? `class ${target.name}` : String(name);
}

/** Other functions have no `prototype`. */
export function isClass(value: unknown): value is AnyClass {
  return typeof value === 'function' && typeof value.prototype === 'object';
}
