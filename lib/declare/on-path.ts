import { inspect, isDeepStrictEqual } from 'node:util';
import type { AnySchema } from '../any';
import { elementType } from '../differences/element';
import { InvalidOptionError } from '../errors';
import { exampleOf, resolveDependency } from './check-dependency';
import { type Dependency, DependencyType } from './dependency';

/** The part of a schema path that holds a dependency. */
export interface DeclaringPath {
  readonly options: { dependsOn?: unknown };
  clone(): DeclaringPath;
}

/** The declarations on a path: an array may have one of its own and one on its elements. */
export function declarationsOn(path: DeclaringPath): unknown[] {
  return [path.options.dependsOn, elementType(path)?.options.dependsOn].filter((one) => (one ?? null) !== null);
}

/**
 * Writes a dependency to the options of its path, which follow the schema into clones and discriminators.
 *
 * @throws {InvalidOptionError} when there is no such path, or it has a different dependency.
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

/** Replaces a dependency of a path. Paths shared with a base, or with schemas that embed this one, are cloned before. */
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

/** The error for a dependency inside a container, of which a task could have any number. */
export function insideMany(path: string, container: string): InvalidOptionError {
  const name = path.split('.').findLast((part) => !/^(\$.*|\d+)$/.test(part))!;

  return new InvalidOptionError(
    `The dependency \`${path}\` is inside ${container}. Move the references to an array of their own: \`${exampleOf(name, DependencyType.ALL_OF)}\`.`,
  );
}

// Leaves out the defaults, which the user did not write.
function shownBriefly({ type, onFailed, onMissing, when }: Dependency): string {
  const options = {
    ...(onFailed !== 'wait' && { onFailed }),
    ...(onMissing !== 'wait' && { onMissing }),
    ...(when && { when }),
  };

  return `\`${Object.keys(options).length === 0 ? type : inspect({ type, ...options }, { breakLength: Infinity })}\``;
}
