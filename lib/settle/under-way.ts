import type { AnyDocument } from '../definition';
import { handleOf, type Handle } from '../handle';

/** A settle that was begun and has not ended yet. */
export interface Settling {
  readonly verb: string;
  readonly ended: Promise<unknown>;
}

const underWay = new WeakMap<Handle, Settling>();

/** Remembers a settle of a handle until it has ended. */
export function whileUnderWay<T>(task: AnyDocument, verb: string, ended: Promise<T>): Promise<T> {
  // What is no document is refused by the settle itself.
  if ((task as unknown) === null || typeof task !== 'object') return ended;

  const handle = handleOf(task);
  const settling = { verb, ended };
  underWay.set(handle, settling);
  const forget = () => void (underWay.get(handle) === settling && underWay.delete(handle));
  ended.then(forget, forget);

  return ended;
}

export function settlingOf(task: AnyDocument): Settling | undefined {
  return underWay.get(handleOf(task));
}
