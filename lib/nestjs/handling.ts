import { type AnyDocument, type AnyModel, definitionOf, modelOf } from '../definition/definition';
import { InvalidOptionError } from '../errors';
import { checkPopOptions } from '../pop/pop';
import { type DeclaredMethod, methodsOf } from './decorators';

/** How the tasks of a model are handed to the methods of a processor. */
export interface Handling {
  /** What the worker claims: the model, or only those of its kinds that have a method. */
  readonly models: readonly AnyModel[];
  /** The categories that have a method, where no method is for the others. */
  readonly categories: readonly string[] | null;
  /** The method for a task; null for the task's own `run()`. */
  methodFor(task: AnyDocument): PropertyKey | null;
}

type Type = (new (...parameters: never[]) => unknown) & { readonly name: string };

/** @throws {InvalidOptionError} for a processor without a method, with two for the same tasks, or with one for tasks that there are not. */
export function handlingOf(type: Type, model: AnyModel): Handling {
  const declared = declaredMethods(type, model);
  for (const [index, method] of declared.entries()) {
    const other = declared.slice(0, index).find((one) => one.key !== method.key && claimsTheSame(one, method));
    if (other)
      throw new InvalidOptionError(
        `Expected ${type.name} to have one method for each task, got \`${String(other.key)}\` and \`${String(method.key)}\` for ${describe(method)}. Keep one of them.`,
      );
  }
  const kinds = kindModels(type, model, declared);
  for (const { categories } of declared) if (categories) checkPopOptions(model, { category: categories });

  return { ...restriction(type, model, declared, kinds), methodFor: (task) => methodFor(declared, model, task) };
}

function declaredMethods(type: Type, model: AnyModel): readonly (DeclaredMethod | OwnRun)[] {
  const declared = methodsOf(type);
  const forAll = { kinds: null, categories: null };
  if (typeof (type.prototype as { process?: unknown }).process === 'function' && !declared.some(isProcess))
    return [...declared, { key: 'process', ...forAll }];
  if (declared.length > 0) return declared;
  if (typeof (model.prototype as { run?: unknown }).run === 'function') return [{ key: null, ...forAll }];
  throw new InvalidOptionError(
    `Expected ${type.name} to have a method for the tasks of ${model.modelName}, found none. Write \`process(task, context) { … }\`, or \`@Process()\` above a method.`,
  );
}

/** The task's own method `run(context)`, in place of one of the processor. */
type OwnRun = Omit<DeclaredMethod, 'key'> & { readonly key: null };

function isProcess({ key }: DeclaredMethod): boolean {
  return key === 'process';
}

function claimsTheSame(one: Omit<DeclaredMethod, 'key'>, other: Omit<DeclaredMethod, 'key'>): boolean {
  const meet = (a: readonly string[] | null, b: readonly string[] | null) =>
    a === null || b === null ? a === b : a.some((name) => b.includes(name));

  return meet(one.kinds, other.kinds) && meet(one.categories, other.categories);
}

function describe({ kinds, categories }: Omit<DeclaredMethod, 'key'>): string {
  const parts = [kinds && `kind ${kinds.join(', ')}`, categories && `category ${categories.join(', ')}`];

  return parts.filter(Boolean).join(' and ') || 'all tasks';
}

function kindModels(
  type: Type,
  model: AnyModel,
  declared: readonly Omit<DeclaredMethod, 'key'>[],
): Map<string, AnyModel> {
  const known = (model.discriminators ?? {}) as Record<string, AnyModel>;
  const names = [...new Set(declared.flatMap(({ kinds }) => kinds ?? []))];

  return new Map(
    names.map((name) => {
      const kind = Object.hasOwn(known, name) ? known[name] : undefined;
      if (kind) return [name, kind];
      throw new InvalidOptionError(
        `Expected \`@Process({ kind })\` of ${type.name} to name a discriminator of ${model.modelName}, got ${JSON.stringify(name)}. Known are: ${Object.keys(known).join(', ') || 'none'}.`,
      );
    }),
  );
}

function restriction(
  type: Type,
  model: AnyModel,
  declared: readonly Omit<DeclaredMethod, 'key'>[],
  kinds: ReadonlyMap<string, AnyModel>,
): Pick<Handling, 'models' | 'categories'> {
  const hasForAll = declared.some((method) => method.kinds === null && method.categories === null);
  if (hasForAll) return { models: [model], categories: null };
  if (declared.every((method) => method.kinds === null))
    return { models: [model], categories: declared.flatMap(({ categories }) => categories ?? []) };
  const areOfKinds = declared.every((method) => method.kinds !== null);
  if (areOfKinds && [...kinds.keys()].every((name) => declared.some((method) => isForKind(method, name))))
    return { models: [...kinds.values()], categories: null };

  throw new InvalidOptionError(
    `Expected ${type.name} to have a method for every task that its worker may claim, found methods for some of them. Add a method with \`@Process()\` for the others.`,
  );
}

function isForKind({ kinds, categories }: Omit<DeclaredMethod, 'key'>, name: string): boolean {
  return categories === null && kinds !== null && kinds.includes(name);
}

/** The method that says most of the task: one for its kind before one for its category, that before one for all. */
function methodFor(
  declared: readonly (DeclaredMethod | OwnRun)[],
  model: AnyModel,
  task: AnyDocument,
): PropertyKey | null {
  const kind = modelOf(task).modelName;
  const category = task.get(definitionOf(model).options.fields.category) as unknown;
  const fitting = declared.filter(
    ({ kinds, categories }) =>
      (kinds === null || kinds.includes(kind)) && (categories === null || categories.includes(category as string)),
  );
  const weight = ({ kinds, categories }: Omit<DeclaredMethod, 'key'>) => (kinds ? 2 : 0) + (categories ? 1 : 0);
  const best = fitting.toSorted((a, b) => weight(b) - weight(a))[0];
  if (best) return best.key;

  throw new InvalidOptionError(`No method of the processor of ${model.modelName} is for tasks of kind ${kind}.`);
}
