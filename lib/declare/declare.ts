import { inspect, isDeepStrictEqual } from 'node:util';
import { refuseUnknown, wrongValue } from '../values/check';
import type { AnySchema } from '../definition/any';
import { InvalidOptionError } from '../errors';

/** How many of the documents a field refers to must be done. */
export const DependencyType = {
  /** The one document of a single reference. */
  DIRECT: 'DIRECT',
  /** Every document of an array of references. */
  ALL_OF: 'ALL_OF',
  /** At least one document of an array of references. */
  ANY_OF: 'ANY_OF',
} as const;
export type DependencyType = (typeof DependencyType)[keyof typeof DependencyType];

/** `wait`: until it changes. `fail`: the task fails with it. `ignore`: as if the document were not referred to. */
export type DependencyPolicy = 'wait' | 'fail' | 'ignore';

/** Values of fields, each by equality or as `{ $in: [ … ] }`; all of them must hold. */
export type DependencyCondition = Readonly<Record<string, unknown>>;

export interface DependencyOptions {
  /** What a FAILED dependency does. With ANY_OF, `fail` applies when no alternative is left. Default: `'wait'`. */
  onFailed?: DependencyPolicy;

  /** What a dependency that does not exist does, whether it was deleted, expired or never there. Default: `'wait'`. */
  onMissing?: DependencyPolicy;

  /**
   * When a document counts as done: `{ status: 'paid' }`, `{ state: { $in: ['FINISHED', 'FAILED'] } }`. Needed for models without
   * the plugin. Default: the dependency is a task that is FINISHED.
   */
  when?: DependencyCondition;
}

/** A dependency as it is written on a path: its type, or its type with options. */
export type DependencyDeclaration = DependencyType | ({ type: DependencyType } & DependencyOptions);

export interface Dependency {
  readonly type: DependencyType;
  readonly onFailed: DependencyPolicy;
  readonly onMissing: DependencyPolicy;
  readonly when: DependencyCondition | null;
}

const TYPES = Object.values(DependencyType);
const POLICIES: readonly DependencyPolicy[] = ['wait', 'fail', 'ignore'];

const checked = new WeakSet<Dependency>();

/** Checks a declaration and fills in its defaults; what it returned itself it leaves alone. `where` names the path in messages. */
export function resolveDependency(where: string, declared: unknown): Dependency {
  if (checked.has(declared as Dependency)) return declared as Dependency;
  const options = typeof declared === 'string' ? { type: declared } : declared;
  if (options === null || typeof options !== 'object') {
    throw wrongValue(where, 'a dependency type or `{ type, … }`', declared, `\`dependsOn: 'DIRECT'\``);
  }
  refuseUnknown(options, ['type', 'onFailed', 'onMissing', 'when'], `the dependency \`${where}\``);
  const {
    type,
    onFailed = 'wait',
    onMissing = 'wait',
    when = null,
  } = options as { type: DependencyType } & DependencyOptions;

  if (!TYPES.includes(type))
    throw wrongValue(`${where}: type`, `one of ${TYPES.join(', ')}`, type, `\`dependsOn: 'DIRECT'\``);
  requirePolicy(where, 'onFailed', onFailed);
  requirePolicy(where, 'onMissing', onMissing);
  if (when !== null) requireCondition(`${where}: when`, when);

  const dependency = { type, onFailed, onMissing, when };
  checked.add(dependency);
  return dependency;
}

/** What an element of a schema's `paths` has to do with dependencies. */
export interface DeclaringPath {
  readonly options: { dependsOn?: unknown };
  /** Of an array: the type of its elements. */
  readonly embeddedSchemaType?: { readonly options: { dependsOn?: unknown } };
  clone(): DeclaringPath;
}

/** The declarations on a path: an array may carry one itself, and one on its elements. */
export function declarationsOn({ options, embeddedSchemaType }: DeclaringPath): unknown[] {
  return [options.dependsOn, embeddedSchemaType?.options.dependsOn].filter((one) => (one ?? null) !== null);
}

/**
 * Where a dependency is kept: with the options of its path, which follow the schema into clones and discriminators.
 *
 * @throws {InvalidOptionError} for what is no path, or has a dependency that differs.
 */
export function writeDependency(schema: AnySchema, path: string, dependency: Dependency): void {
  const type = schema.path(path) as unknown as DeclaringPath | undefined;
  if (!type) {
    throw new InvalidOptionError(
      `\`${path}\` is a dependency but no path of the schema. Write for example \`${exampleOf(path, dependency.type)}\`.`,
    );
  }
  if (!tableOf(schema, path)) throw insideMany(path, 'an array or a Map');
  const known = declarationsOn(type).map((declared) => resolveDependency(path, declared));
  for (const one of known) if (!isDeepStrictEqual(one, dependency)) throw declaredTwice(path, one, dependency);
  if (!isDeepStrictEqual(type.options.dependsOn, dependency)) keepDependency(schema, path, known[0] ?? dependency);
}

/** Puts a dependency in the place of another. A kind shares its paths with its base, and a sub-schema with all it is part of. */
export function keepDependency(schema: AnySchema, path: string, dependency: Dependency): void {
  const { isRoot = true } = tablesOf(schema).discriminatorMapping ?? {};
  const table = tableOf(schema, path)!;
  if (table !== tablesOf(schema).paths || !isRoot) table[path] = table[path]!.clone();
  table[path]!.options.dependsOn = dependency;
}

type Table = Record<string, DeclaringPath>;

function tableOf(schema: AnySchema, path: string): Table | undefined {
  const { paths, singleNestedPaths } = tablesOf(schema);

  return [paths, singleNestedPaths].find((table) => Object.hasOwn(table, path));
}

function tablesOf(schema: AnySchema) {
  return schema as unknown as { paths: Table; singleNestedPaths: Table; discriminatorMapping?: { isRoot: boolean } };
}

export function declaredTwice(path: string, one: Dependency, other: Dependency): InvalidOptionError {
  return new InvalidOptionError(
    `The dependency \`${path}\` is declared twice, as ${shownBriefly(one)} and as ${shownBriefly(other)}. Declare it once.`,
  );
}

/** The error for a dependency of which a task could have any number. */
export function insideMany(path: string, container: string): InvalidOptionError {
  const name = path.split('.').findLast((part) => !/^(\$.*|\d+)$/.test(part))!;

  return new InvalidOptionError(
    `The dependency \`${path}\` is inside ${container}. Move the references to an array of their own: \`${exampleOf(name, DependencyType.ALL_OF)}\`.`,
  );
}

/** The line that declares a dependency. */
export function exampleOf(path: string, type: DependencyType): string {
  const name = path.includes('.') ? `'${path}'` : path;
  const reference = `{ type: Schema.Types.ObjectId, ref: 'Source', dependsOn: '${type}' }`;

  return `${name}: ${type === DependencyType.DIRECT ? reference : `[${reference}]`}`;
}

// Without the defaults, which nobody wrote.
function shownBriefly({ type, onFailed, onMissing, when }: Dependency): string {
  const options = {
    ...(onFailed !== 'wait' && { onFailed }),
    ...(onMissing !== 'wait' && { onMissing }),
    ...(when && { when }),
  };

  return `\`${Object.keys(options).length === 0 ? type : inspect({ type, ...options }, { breakLength: Infinity })}\``;
}

function requirePolicy(where: string, option: string, value: unknown): void {
  if (!POLICIES.includes(value as DependencyPolicy))
    throw wrongValue(`${where}: ${option}`, `one of ${POLICIES.join(', ')}`, value, `\`${option}: 'fail'\``);
}

function requireCondition(name: string, when: unknown): void {
  const instead = "`when: { status: 'paid' }` or `when: { status: { $in: ['paid', 'free'] } }`";
  if (when === null || typeof when !== 'object' || Array.isArray(when) || Object.keys(when).length === 0) {
    throw wrongValue(name, 'fields with their values', when, instead);
  }
  for (const [field, value] of Object.entries(when)) {
    const accepted = isIn(value) ? value.$in : [value];
    if (field.startsWith('$') || accepted.length === 0 || !accepted.every(isComparable))
      throw wrongValue(`${name}.${field}`, 'a value, or `{ $in: [values] }`', value, instead);
  }
}

function isIn(value: unknown): value is { $in: unknown[] } {
  const keys = value !== null && typeof value === 'object' ? Object.keys(value) : [];

  return keys.length === 1 && Array.isArray((value as { $in?: unknown }).$in);
}

// The server's equality, which an index can answer: no null, which is also a field that is not there, and no operators.
function isComparable(value: unknown): boolean {
  if (value === null || ['undefined', 'function', 'symbol'].includes(typeof value) || value instanceof RegExp)
    return false;

  return typeof value !== 'object' || !Object.keys(value).some((key) => key.startsWith('$'));
}
