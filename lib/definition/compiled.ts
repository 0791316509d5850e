import type { AnyModel } from './definition';

const compiled = new WeakSet<object>();

/** Notes that the plugin has seen a model being compiled. */
export function noteCompiled(model: AnyModel): void {
  compiled.add(model);
}

/** Whether the plugin has seen the model, or one that it extends, being compiled. */
export function isCompiled(model: AnyModel): boolean {
  for (let one: object | null = model; one !== null; one = Object.getPrototypeOf(one) as object | null)
    if (compiled.has(one)) return true;

  return false;
}
