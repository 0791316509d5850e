import type { AnyModel } from './definition';

const completed = new WeakSet<object>();
let complete: (model: AnyModel) => void = () => {};

/** Sets what the plugin does with each model that is compiled of its schemas. */
export function completeBy(way: (model: AnyModel) => void): void {
  complete = way;
}

/** Notes that it was done with a model. */
export function noteCompleted(model: AnyModel): void {
  completed.add(model);
}

/**
 * Does it with a model that was compiled without the plugin being told: the event is no part of a schema that was copied, by `omit()`, by
 * `new Schema(schema)`, or by another instance of Mongoose.
 */
export function requireCompleted(model: AnyModel): void {
  for (let one: object | null = model; one !== null; one = Object.getPrototypeOf(one) as object | null)
    if (completed.has(one)) return;

  complete(model);
}
