import type { AnyModel, AnySchema } from '../definition';
import { InvalidOptionError } from '../errors';
import { DependencyType, resolveDependency, writeDependency, type Dependency } from './declare';

/** One dependency field of a model. A task is ready when all its clauses hold. */
export interface Clause extends Dependency {
  readonly path: string;
  /** The model referred to: its name, the model itself, or what tells it. */
  readonly ref: unknown;
  /** The path that holds the model's name, instead of `ref`. */
  readonly refPath: string | null;
  /** Model names that `refPath` can hold, where its schema says so. */
  readonly refNames: readonly string[];
}

interface PathOptions {
  dependsOn?: unknown;
  ref?: unknown;
  refPath?: string;
}

interface SchemaPath {
  instance: string;
  options: PathOptions;
  /** Of an array: the type of its elements. */
  embeddedSchemaType?: { instance: string; options: PathOptions; $isMongooseDocumentArrayElement?: boolean };
  schema?: AnySchema;
  $isSingleNested?: boolean;
  enumValues?: string[];
}

const cache = new WeakMap<AnyModel, readonly Clause[]>();

/** The dependency clauses of a model, in the order of its paths. */
export function clausesOf(model: AnyModel): readonly Clause[] {
  let clauses = cache.get(model);
  if (!clauses) {
    clauses = readClauses(model.schema as AnySchema);
    cache.set(model, clauses);
  }

  return clauses;
}

/**
 * Reads and checks the dependencies of a schema. What stands on the elements of an array is written to the array's own options:
 * `schema.path(p).options.dependsOn` is the one truth.
 *
 * @throws {InvalidOptionError} for a dependency on what is no reference, or of a type that does not fit it.
 */
export function readClauses(schema: AnySchema): readonly Clause[] {
  return clausesUnder(schema, '', schema);
}

function clausesUnder(schema: AnySchema, prefix: string, root: AnySchema): Clause[] {
  const clauses: Clause[] = [];
  for (const [name, type] of Object.entries(schema.paths) as unknown as [string, SchemaPath][]) {
    const path = prefix + name;
    const declared = type.options.dependsOn ?? type.embeddedSchemaType?.options.dependsOn;
    if (declared !== undefined) {
      const dependency = resolveDependency(path, declared);
      writeDependency(schema, name, dependency);
      clauses.push(toClause(path, type, dependency, root));
    }
    if (type.$isSingleNested && type.schema) clauses.push(...clausesUnder(type.schema, `${path}.`, root));
    else if (type.schema) refuseInArray(path, type.schema);
  }

  return clauses;
}

function toClause(path: string, type: SchemaPath, dependency: Dependency, root: AnySchema): Clause {
  const isArray = type.instance === 'Array';
  const outer = type.options;
  const inner = type.embeddedSchemaType?.options;
  const ref = outer.ref ?? inner?.ref;
  const refPath = outer.refPath ?? inner?.refPath ?? null;

  if (ref === undefined && refPath === null) {
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
  const names = refPath === null ? [] : ((root.path(refPath) as unknown as SchemaPath | undefined)?.enumValues ?? []);

  return { path, ref, refPath, refNames: names.filter((name) => typeof name === 'string'), ...dependency };
}

function refuseInArray(path: string, schema: AnySchema): void {
  for (const [name, type] of Object.entries(schema.paths) as unknown as [string, SchemaPath][]) {
    if ((type.options.dependsOn ?? type.embeddedSchemaType?.options.dependsOn) === undefined) continue;
    throw new InvalidOptionError(
      `The dependency \`${path}.${name}\` is inside an array of sub-documents. Move the references to an array of their own: \`${exampleOf(name, DependencyType.ALL_OF)}\`.`,
    );
  }
}

function exampleOf(path: string, type: DependencyType): string {
  const reference = `{ type: Schema.Types.ObjectId, ref: 'Source', dependsOn: '${type}' }`;

  return `${path}: ${type === DependencyType.DIRECT ? reference : `[${reference}]`}`;
}
