import { Error as MongooseError, mongo, type PopulateOptions } from 'mongoose';
import type { AnyDocument, AnyModel, AnySchema } from '../definition/definition';
import { elementType } from '../differences/element';
import { InvalidOptionError } from '../errors';
import { isUnreadable } from '../server/read';
import { wrongValue } from '../values/check';

/** A path to populate, several, or Mongoose's populate options. */
export type Populate = string | PopulateOptions | (string | PopulateOptions)[];

/** @throws {InvalidOptionError} for a value without a path, or a path that no task of the model has: a claimed task would only go back. */
export function checkPopulate(model: AnyModel, populate: unknown): void {
  for (const one of listOf(populate)) {
    const options = optionsIn(one);
    const path: unknown = options?.path;
    if (typeof path !== 'string' || path.trim() === '')
      throw wrongValue('populate', 'a path or populate options with a `path`', one, "`populate: 'source'`");
    if (options?.strictPopulate === false || isLenient(model)) continue;
    for (const name of path.trim().split(/\s+/)) if (!isKnown(model, name)) throw unknownPath(model, name);
  }
}

/**
 * Whether an error of `populate()` is the fault of a single task: its value is no reference, it names a missing model by `refPath`, or a hook throws for the
 * document that it refers to. A model that the schema or the caller names is missing for all tasks, and an error of the server or of Mongoose is no task's
 * fault.
 */
export function isOfTask(model: AnyModel, populate: Populate, error: unknown): boolean {
  const name = (error as Error | null)?.name;
  const isOfLibrary = error instanceof MongooseError || error instanceof mongo.MongoError;
  if (name !== 'MissingSchemaError') return name === 'CastError' || isUnreadable(error) || !isOfLibrary;

  return listOf(populate).some((one) => isNamedByTask(model, optionsIn(one)));
}

/**
 * A model name in a task that is a property of `Object.prototype`, such as `constructor`: Mongoose takes that property for a model, and
 * `populate()` never ends.
 */
export function inheritedName(model: AnyModel, populate: Populate, task: AnyDocument): string | undefined {
  const paths = listOf(populate).flatMap((one) => optionsIn(one)?.path?.trim().split(/\s+/) ?? []);
  const refPaths = paths.map((path) => refPathOf(model, path)).filter((path) => typeof path === 'string');
  const names = refPaths.flatMap((path) => [task.get(path, null, { getters: false }) as unknown].flat());

  return names.find((name) => typeof name === 'string' && name in Object.prototype) as string | undefined;
}

function isNamedByTask(model: AnyModel, options: Partial<PopulateOptions> | null): boolean {
  if (options?.model !== undefined || typeof options?.path !== 'string') return false;

  return options.path
    .trim()
    .split(/\s+/)
    .some((path) => refPathOf(model, path) !== undefined);
}

function refPathOf(model: AnyModel, path: string): unknown {
  const type = (model.schema as AnySchema).path(path) as unknown as Referring | undefined;

  return type?.options.refPath ?? elementType(type)?.options.refPath;
}

interface Referring {
  readonly options: { readonly refPath?: unknown };
}

function listOf(populate: unknown): unknown[] {
  return Array.isArray(populate) ? (populate as unknown[]) : [populate];
}

function optionsIn(one: unknown): Partial<PopulateOptions> | null {
  return typeof one === 'string' ? { path: one } : (one as Partial<PopulateOptions> | null);
}

function isLenient(model: AnyModel): boolean {
  const { options: ofSchema } = model.schema as { options?: { strictPopulate?: boolean } };
  const { options } = model.db.base as { options?: { strictPopulate?: boolean } };

  return (ofSchema?.strictPopulate ?? options?.strictPopulate) === false;
}

// Only the first name is checked: the rest may belong to a kind of a sub-document, or to no schema, and Mongoose checks it.
function isKnown(model: AnyModel, path: string): boolean {
  const [first] = path.split('.') as [string];
  const kinds = Object.values((model.discriminators ?? {}) as Record<string, AnyModel>);

  return [model, ...kinds].some((one) => (one.schema as AnySchema).pathType(first) !== 'adhocOrUndefined');
}

function unknownPath(model: AnyModel, path: string): InvalidOptionError {
  return new InvalidOptionError(
    `Expected \`populate\` to name paths of ${model.modelName}, got \`${path}\`, which its schema does not have. Correct it, or write \`populate: { path: '${path}', strictPopulate: false }\`.`,
  );
}
