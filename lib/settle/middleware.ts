import type { AnyModel, AnySchema } from '../definition/definition';

// Mongoose marks its own middleware with this symbol and runs it even where the user's is switched off.
const BUILT_IN = Symbol.for('mongoose:built-in-middleware');

type Hook = { fn?: object } & object;
interface Registry {
  _pres?: Map<string, Hook[]>;
  _posts?: Map<string, Hook[]>;
  pre?(name: string, options: object, hook: object, error: null, isFirst: boolean): void;
}

const answers = new WeakMap<AnyModel, boolean>();

/** Declares a hook of ours to be no user's middleware: it is never skipped, and it does not make saves take the long way. */
export function builtIn<T extends object>(hook: T): T {
  return Object.assign(hook, { [BUILT_IN]: true });
}

/** Adds a hook that comes before those that are there: Mongoose's own, for timestamps, change the document already. */
export function beforeAll(schema: AnySchema, name: 'save', hook: object): void {
  const registry = registryOf(schema);
  if (registry?.pre) registry.pre(name, {}, hook, null, true);
  else schema.pre(name, hook as never);
}

/**
 * Whether the user registered middleware that must run when a document of the model is saved. Mongoose has no public way to
 * ask, so this is the one place that looks into its registry; where it cannot tell, it says yes, which is slower but right.
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
  return !hooks.every((hook) => (hook.fn ?? (hook as object)) && BUILT_IN in (hook.fn ?? hook));
}

function registryOf(schema: AnySchema): Registry | undefined {
  return (schema as unknown as { s?: { hooks?: Registry } }).s?.hooks;
}
