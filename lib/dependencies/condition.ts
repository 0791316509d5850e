import { isDeepStrictEqual } from 'node:util';
import type { AnyModel, Filter, RawDocument } from '../definition';
import type { DependencyCondition } from './declare';

/** Casts the values of a condition as a query of the model would: a text becomes the ObjectId or Date it stands for. */
export function castCondition(model: AnyModel, when: DependencyCondition): Filter {
  return model.find().cast(model, structuredCloneOf(when)) as Filter;
}

/** Whether a raw document meets a condition, as the server's equality and `$in` would see it. */
export function meets(document: RawDocument, condition: Filter): boolean {
  return Object.entries(condition).every(([path, expected]) => {
    const value = valueAt(document, path);
    const accepted = isIn(expected) ? expected.$in : [expected];

    return accepted.some(
      (one) => equals(value, one) || (Array.isArray(value) && value.some((element) => equals(element, one))),
    );
  });
}

/** The value at a dotted path of a raw document. */
export function valueAt(document: unknown, path: string): unknown {
  let value: unknown = document;
  for (const part of path.split('.')) {
    if (value === null || typeof value !== 'object') return undefined;
    value = (value as Record<string, unknown>)[part];
  }

  return value;
}

function equals(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (one === null || other === null || typeof one !== 'object' || typeof other !== 'object') return false;
  if ('equals' in one && typeof one.equals === 'function')
    return Boolean((one as { equals(value: unknown): unknown }).equals(other));

  return isDeepStrictEqual(one, other);
}

function isIn(value: unknown): value is { $in: unknown[] } {
  return value !== null && typeof value === 'object' && Array.isArray((value as { $in?: unknown }).$in);
}

// Casting writes into what it is given, and the declaration is the user's.
function structuredCloneOf(when: DependencyCondition): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(when).map(([path, value]) => [path, isIn(value) ? { $in: [...value.$in] } : value]),
  );
}
