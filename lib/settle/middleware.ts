import type { AnyModel, AnySchema } from '../definition/definition';
import { BUILT_IN, isOfMongoose } from '../differences/own-hooks';

type Hook = { fn?: object } & object;
interface Registry {
  _pres?: Map<string, Hook[]>;
  _posts?: Map<string, Hook[]>;
  pre?(name: string, options: object, hook: object, error: null, isFirst: boolean): void;
}

const answers = new WeakMap<AnyModel, boolean>();

/** Marks a hook as the library's own: Mongoose never skips it, and it does not make tasks take the slow path of a save. */
export function builtIn<T extends object>(hook: T): T {
  return Object.assign(hook, { [BUILT_IN]: true });
}

/** Adds a hook that runs before all others: Mongoose's own hook for timestamps already changes the document. */
export function beforeAll(schema: AnySchema, name: 'save', hook: object): void {
  const registry = registryOf(schema);
  if (registry?.pre) registry.pre(name, {}, hook, null, true);
  else schema.pre(name, hook as never);
}

/** Whether a hook runs before an operation; true where Mongoose's registry is unknown. */
export function hasHook(schema: AnySchema, name: string, hook: object): boolean {
  const registry = registryOf(schema)?._pres;

  return !registry || (registry.get(name) ?? []).some((one) => (one.fn ?? one) === hook);
}

/**
 * Whether the user registered middleware that must run when a document of the model is saved. Mongoose has no public way to ask, so
 * this is the one place that looks into its registry; if the registry is unknown, the answer is yes, which is slower but right.
 */
export function hasSaveHooks(model: AnyModel): boolean {
  let answer = answers.get(model);
  if (answer === undefined) {
    answer = lookForHooks(model.schema as AnySchema);
    answers.set(model, answer);
  }

  return answer;
}

function lookForHooks(schema: AnySchema): boolean {
  const registry = registryOf(schema);
  if (!registry?._pres || !registry._posts) return true;

  const hooks = [registry._pres.get('save'), registry._posts.get('save')].flatMap((list) => list ?? []);
  return !hooks.every((hook) => isOfMongoose(hook.fn ?? hook));
}

function registryOf(schema: AnySchema): Registry | undefined {
  return (schema as unknown as { s?: { hooks?: Registry } }).s?.hooks;
}
