import type { mongo } from 'mongoose';
import type { AnyDocument, AnyModel, AnySchema, RawDocument } from '../any';
import { elementType } from '../differences/element';
import { InvalidOptionError } from '../errors';
import { requireOwnCopy } from '../mongoose';
import type { ResolvedOptions } from '../options';
import { type ResolvedRetention, resolveRetention } from '../retention';
import { shown } from '../values/check';
import { flawOf } from './decode';
import { type Kind, kindOf } from './kind';

export type { AnyDocument, AnyModel, AnySchema, Filter, RawDocument } from '../any';

/** The write concern of a schema, as the driver takes it; empty if the connection's applies. */
export interface WriteConcern {
  readonly writeConcern?: mongo.WriteConcernSettings;
}

/** The queue's view of a compiled model with the plugin. */
export interface Definition {
  readonly model: AnyModel;
  readonly options: ResolvedOptions;
  /** Set for a discriminator: only documents of this kind are its tasks. */
  readonly kind: Kind | null;
  /** Whether the plugin was applied to this kind's schema and not to its base: then all its indexes are its own. */
  readonly kindOnly: boolean;
  /** Seconds after which tasks are deleted, or false; with `retention` only those that have not ended. */
  readonly expireAfterSeconds: number | false;
  /** Set when tasks are kept for different times by the way they ended. */
  readonly retention: ResolvedRetention | null;
  /** Paths with `select: false`: a claim leaves them out, like a query does. */
  readonly hidden: Readonly<Record<string, 0>> | null;
  readonly writeConcern: WriteConcern;
  /** Where `timestamps` keeps the time of the last change, if it does. */
  readonly updatedAt: { readonly path: string; now(): Date | number } | null;
}

const DEFAULT_EXPIRY_SECONDS = 86_400;
const definitions = new WeakMap<AnyModel, Definition>();

/** The definition of a model. @throws {InvalidOptionError} when its schema does not have the plugin. */
export function definitionOf(model: AnyModel): Definition {
  let definition = definitions.get(model);
  if (!definition) {
    definition = define(model);
    definitions.set(model, definition);
  }

  return definition;
}

/** The native collection: its operations run no middleware, and join a transaction only by an explicit session. */
export function collectionOf(model: AnyModel): mongo.Collection<RawDocument> {
  return model.collection as unknown as mongo.Collection<RawDocument>;
}

/** The driver's client of a model's connection; undefined until that is opened. */
export const clientOf = ({ db }: AnyModel) => db.getClient() as unknown as mongo.MongoClient | undefined;

/** The database of a model whose connection was opened, as the driver has it. */
export const nativeDatabaseOf = (model: AnyModel): mongo.Db => clientOf(model)!.db(model.db.name);

/** The namespace of a model's collection: `database.collection`. */
export function namespaceOf(model: AnyModel): string {
  return `${model.db.name}.${model.collection.name}`;
}

/**
 * Makes a document of what was read by the native collection. A kind may hide more than the base that it was read by.
 *
 * @throws what the driver says of a part that it cannot read.
 */
export function hydrate(
  { model, hidden: ofModel }: Pick<Definition, 'model' | 'hidden'>,
  raw: RawDocument,
): AnyDocument {
  const kind = model.discriminators ? kindIn(model, raw) : undefined;
  const hidden = kind ? definitionOf(kind).hidden : ofModel;
  const flaw = flawOf(raw);
  if (flaw) throw flaw.error;

  return (hidden ? model.hydrate(raw, hidden) : model.hydrate(raw)) as AnyDocument;
}

function kindIn(model: AnyModel, raw: RawDocument): AnyModel | undefined {
  return Object.values(model.discriminators as Record<string, AnyModel>).find((one) => {
    const kind = kindOf(one);
    return kind && raw[kind.key] === kind.value;
  });
}

export function modelOf(document: AnyDocument): AnyModel {
  // Without a document there is no model, and `definitionOf` says so.
  return (document as AnyDocument | null | undefined)?.constructor as AnyModel;
}

/** The options that the plugin keeps on the state path, so that they follow the schema into clones and discriminators. */
export function optionsOf(schema: AnySchema): ResolvedOptions | undefined {
  for (const path of Object.values(schema.paths)) {
    const options = (path.options as { taskQueue?: ResolvedOptions }).taskQueue;
    if (options) return options;
  }

  return undefined;
}

/** Whether the schema keeps a creation time of its own: then its documents are records, which do not expire by default. */
export function keepsCreationTime(schema: AnySchema, options: ResolvedOptions): boolean {
  const timestamps = schema.get('timestamps') as boolean | { createdAt?: boolean | string } | undefined;
  if (timestamps && (timestamps === true || timestamps.createdAt !== false)) return true;

  const { createdAt } = options.fields;
  // A nested path and a virtual count as well.
  return schema.pathType(createdAt) !== 'adhocOrUndefined' && !isAdded(schema.path(createdAt));
}

/** Whether the plugin added the path. */
export function isAdded(path: { options: object } | undefined): boolean {
  return path !== undefined && 'taskQueue' in path.options;
}

function define(model: AnyModel): Definition {
  const schema = (model as AnyModel | null | undefined)?.schema as AnySchema | undefined;
  const options = schema && optionsOf(schema);
  if (!options) {
    throw new InvalidOptionError(
      `${schema ? `The model ${model.modelName}` : shown(model)} is no task queue${schema && hasDependsOn(schema) ? ', and its `dependsOn` has no effect' : ''}. Write \`schema.plugin(taskQueue)\` before it is compiled.`,
    );
  }

  requireOwnCopy(options.copy, `The schema of ${model.modelName}`);
  // A model has the paths its schema had when it was compiled.
  if (schema.path(options.fields.state) && !(options.fields.state in model.prototype)) {
    throw new InvalidOptionError(
      `The plugin was applied to the schema of ${model.modelName} after the model was compiled, so the model is no task queue. Write \`schema.plugin(taskQueue)\` before \`model('${model.modelName}', schema)\`.`,
    );
  }

  const kind = kindOf(model);
  const byDefault = keepsCreationTime(schema, options) ? false : DEFAULT_EXPIRY_SECONDS;
  const given = options.expireAfterSeconds ?? byDefault;
  const retention = typeof given === 'object' ? resolveRetention(given, byDefault) : null;

  return {
    model,
    options,
    kind,
    kindOnly: kind !== null && !optionsOf(rootOf(model).schema as AnySchema),
    expireAfterSeconds: typeof given === 'object' ? retention!.unsettled : given,
    retention,
    hidden: hiddenIn(schema),
    writeConcern: writeConcernOf(schema),
    updatedAt: updatedAtOf(schema),
  };
}

function hasDependsOn({ paths }: AnySchema): boolean {
  return Object.values(paths).some(({ options }) => 'dependsOn' in options);
}

/**
 * The model itself, or for a discriminator its base, whose collection it shares. While a discriminator is being compiled it does not know
 * its base yet, so the base is looked for among the connection's models.
 */
export function rootOf(model: AnyModel): AnyModel {
  const others = Object.values(model.db.models as Record<string, AnyModel>);
  const isRoot = (one: AnyModel) =>
    one !== model && one.collection.name === model.collection.name && one.discriminators;

  return (kindOf(model) && others.find(isRoot)) || model;
}

function hiddenIn(schema: AnySchema): Record<string, 0> | null {
  const paths = hiddenPaths(schema, '', []);

  return paths.length > 0 ? Object.fromEntries(paths.map((path) => [path, 0])) : null;
}

interface SelectablePath {
  options: { select?: boolean };
  schema?: AnySchema;
}

// Finds the paths that Mongoose's own queries hide: also in sub-documents and lists of them, and lists whose elements are hidden.
function hiddenPaths(schema: AnySchema, prefix: string, above: readonly AnySchema[]): string[] {
  const around = [...above, schema];

  return Object.entries(schema.paths as unknown as Record<string, SelectablePath>).flatMap(([name, type]) => {
    const path = prefix + name;
    // The values of a Map have no path.
    if (name.endsWith('.$*')) return [];
    if ([type, elementType(type)].some((one) => one?.options.select === false)) return [path];

    return type.schema && !around.includes(type.schema) ? hiddenPaths(type.schema, `${path}.`, around) : [];
  });
}

// Mongoose applies the schema's write concern to its own writes only, so the library applies it to native ones.
function writeConcernOf(schema: AnySchema): WriteConcern {
  const writeConcern = schema.get('writeConcern') as mongo.WriteConcernSettings | undefined;

  return writeConcern ? { writeConcern } : {};
}

function updatedAtOf(schema: AnySchema): Definition['updatedAt'] {
  const timestamps = schema.get('timestamps') as
    boolean | { updatedAt?: boolean | string; currentTime?: () => Date | number } | undefined;
  if (!timestamps) return null;

  const { updatedAt = true, currentTime = () => new Date() } = timestamps === true ? {} : timestamps;
  if (updatedAt === false) return null;

  return { path: typeof updatedAt === 'string' ? updatedAt : 'updatedAt', now: currentTime };
}
