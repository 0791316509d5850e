import { exampleOf, resolveDependency } from '../declare/check-dependency';
import { type Dependency, DependencyType } from '../declare/dependency';
import { declarationsOn, type DeclaringPath, insideMany, writeDependency } from '../declare/on-path';
import { type AnyModel, type AnySchema, optionsOf } from '../definition/definition';
import { elementType } from '../differences/element';
import { InvalidOptionError } from '../errors';
import { readClass, readEarlyClasses } from './classes';

/** One dependency field of a model. A task is ready when all its clauses hold. */
export interface Clause extends Dependency {
  readonly path: string;
  /** The model referred to: its name, the model itself, or a function that returns either. */
  readonly ref: unknown;
  /** The path that holds the model's name, instead of `ref`. */
  readonly refPath: string | null;
  /** The model names that the path of `refPath` can hold, if its schema has an `enum`. */
  readonly refNames: readonly string[];
}

interface SchemaPath extends DeclaringPath {
  instance: string;
  options: { dependsOn?: unknown; ref?: unknown; refPath?: unknown };
  schema?: AnySchema;
  $isSingleNested?: boolean;
  enumValues?: unknown[];
}

const cache = new WeakMap<AnyModel, readonly Clause[]>();

/**
 * The dependency clauses of a model, in the order of its paths. The first call collects dependencies from the plugin's options and from
 * classes into `schema.path(p).options.dependsOn`, which alone counts.
 *
 * @throws {InvalidOptionError} for a dependency on a path that is no reference, or of a type that does not fit the path.
 */
export function clausesOf(model: AnyModel): readonly Clause[] {
  let clauses = cache.get(model);
  if (!clauses) {
    clauses = readClauses(model.schema as AnySchema);
    cache.set(model, clauses);
  }

  return clauses;
}

function readClauses(schema: AnySchema): Clause[] {
  const { class: type = null, dependencies = {} } = optionsOf(schema) ?? {};
  readEarlyClasses(schema);
  if (type) readClass(schema, type);
  for (const [path, dependency] of Object.entries(dependencies)) writeDependency(schema, path, dependency);

  return clausesUnder(schema, '', schema, []);
}

function clausesUnder(schema: AnySchema, prefix: string, root: AnySchema, above: readonly AnySchema[]): Clause[] {
  const clauses: Clause[] = [];
  const around = [...above, schema];
  for (const [name, type] of typesOf(schema)) {
    const path = prefix + name;
    if (name.endsWith('.$*')) {
      refuse(declaredAt(path, type), 'a Map');
      continue;
    }
    if (declarationsOn(type).length > 0 || declarationsOn(ownPath(root, path, type)).length > 0)
      clauses.push(clauseAt(schema, name, path, root));
    if (!type.$isSingleNested) refuse(declaredBelow(path, type), 'an array');
    else if (around.includes(type.schema!)) refuse(declaredBelow(path, type), 'a schema that contains itself');
    else clauses.push(...clausesInside(type.schema!, path, root, around));
  }

  return clauses;
}

function clausesInside(schema: AnySchema, path: string, root: AnySchema, above: readonly AnySchema[]): Clause[] {
  const clauses = clausesUnder(schema, `${path}.`, root, above);
  const known = new Set(clauses.map((clause) => clause.path));
  for (const kind of kindsOf(schema))
    refuse(
      [...declaredUnder(path, kind)].filter((one) => !known.has(one)),
      'a discriminator of a sub-document',
    );

  return clauses;
}

function clauseAt(schema: AnySchema, name: string, path: string, root: AnySchema): Clause {
  // A path that was added to a sub-schema later is unknown to the schema around it.
  const [owner, key] = root.path(path) ? [root, path] : [schema, name];
  const [declared] = declarationsOn(owner.path(key) as unknown as SchemaPath);
  const dependency = resolveDependency(path, declared);
  writeDependency(owner, key, dependency);

  return toClause(path, owner.path(key) as unknown as SchemaPath, dependency, root);
}

function toClause(path: string, type: SchemaPath, dependency: Dependency, root: AnySchema): Clause {
  const isArray = type.instance === 'Array';
  const element = elementType(type);
  const ref = type.options.ref ?? element?.options.ref ?? null;
  const refPath = type.options.refPath ?? element?.options.refPath ?? null;

  if (ref === null && refPath === null) {
    throw new InvalidOptionError(
      `The dependency \`${path}\` is no reference. Write \`${exampleOf(path, dependency.type)}\`.`,
    );
  }
  if (isArray !== (dependency.type !== DependencyType.DIRECT)) {
    const fitting = isArray ? 'ALL_OF` or `ANY_OF' : 'DIRECT';
    const found = isArray ? 'an array of references' : 'a single reference';
    throw new InvalidOptionError(
      `Expected \`${path}\`, which is ${found}, to be \`${fitting}\`, got ${dependency.type}. Write \`${exampleOf(path, isArray ? DependencyType.ALL_OF : DependencyType.DIRECT)}\`.`,
    );
  }
  if (typeof ref === 'function' && !isModel(ref) && ref.length > 0) throw dependsOnDocument(path, 'ref');
  if (refPath === null) return { path, ref, refPath, refNames: [], ...dependency };

  return { path, ref, refPath: refPath as string, refNames: namesAt(path, refPath, root), ...dependency };
}

export function isModel(value: unknown): value is AnyModel {
  return typeof value === 'function' && 'modelName' in value && 'schema' in value;
}

function namesAt(path: string, refPath: unknown, root: AnySchema): string[] {
  if (typeof refPath !== 'string') throw dependsOnDocument(path, 'refPath');
  const type = root.path(refPath) as unknown as SchemaPath | undefined;
  if (type ? type.instance === 'Array' : root.get('strict') !== false) {
    throw new InvalidOptionError(
      `The \`refPath\` of the dependency \`${path}\` is \`${refPath}\`, which is ${type ? 'an array' : 'no path of the schema'}. Write \`${refPath}: { type: String, enum: ['Source'] }\`.`,
    );
  }

  return (type?.enumValues ?? []).filter((name) => typeof name === 'string');
}

// A function of the document cannot be called: references are read by the thousand, without documents.
export function dependsOnDocument(path: string, option: string, cause?: unknown): InvalidOptionError {
  return new InvalidOptionError(
    `The \`${option}\` of the dependency \`${path}\` is a function of the document. Write \`refPath: 'kind'\`, the path that holds the model's name.`,
    { cause },
  );
}

function refuse(declared: Iterable<string>, container: string): void {
  for (const path of declared) throw insideMany(path, container);
}

/** The paths with a dependency at or below a path. */
function* declaredAt(path: string, type: SchemaPath, seen = new Set<AnySchema>()): Generator<string> {
  if (declarationsOn(type).length > 0) yield path;
  yield* declaredBelow(path, type, seen);
}

function* declaredBelow(path: string, type: SchemaPath, seen = new Set<AnySchema>()): Generator<string> {
  const element = elementType(type);
  if (element?.instance === 'Array') yield* declaredAt(path, element, seen);
  if (!type.schema || seen.has(type.schema)) return;

  seen.add(type.schema);
  for (const schema of [type.schema, ...kindsOf(type.schema)]) yield* declaredUnder(path, schema, seen);
}

function* declaredUnder(path: string, schema: AnySchema, seen = new Set<AnySchema>()): Generator<string> {
  for (const [name, type] of typesOf(schema)) yield* declaredAt(`${path}.${name}`, type, seen);
}

function typesOf(schema: AnySchema): [string, SchemaPath][] {
  readEarlyClasses(schema);

  return Object.entries(schema.paths) as unknown as [string, SchemaPath][];
}

function kindsOf(schema: AnySchema): AnySchema[] {
  return Object.values((schema as { discriminators?: Record<string, AnySchema> }).discriminators ?? {});
}

function ownPath(root: AnySchema, path: string, type: SchemaPath): SchemaPath {
  return (root.path(path) as unknown as SchemaPath | undefined) ?? type;
}
