import type { DependencyCondition } from '../declare/dependency';
import type { AnyModel, Filter, RawDocument } from '../definition/definition';
import { InvalidOptionError } from '../errors';
import { isPlain } from '../values/writable';
import { isSame } from './equality';

/**
 * Casts the values of a condition as a query of the model does: a text becomes the ObjectId or Date it stands for.
 *
 * @throws {InvalidOptionError} for a path that queries of the model leave out, because every document would meet it.
 */
export function castCondition(model: AnyModel, when: DependencyCondition): Filter {
  const condition = model.find().cast(model, structuredCloneOf(when)) as Filter;
  const dropped = Object.keys(when).find((path) => !(path in condition));
  if (dropped === undefined) return condition;

  throw new InvalidOptionError(
    `The condition \`when: { ${dropped}: … }\` names no path of ${model.modelName}, whose queries drop it (\`strictQuery\`). Add the path to its schema.`,
  );
}

/** Whether a raw document meets a condition, by the rules of the server's equality and `$in`. */
export function meets(document: RawDocument, condition: Filter): boolean {
  return Object.entries(condition).every(([path, expected]) => {
    const values = valuesAt(document, path.split('.'));
    const accepted = isIn(expected) ? expected.$in : [expected];

    return accepted.some((one) => values.some((value) => isSame(value, one)));
  });
}

// As a query does, this looks into arrays: at the fields of each element, at the element with a number, at the elements at the path's end.
function valuesAt(value: unknown, [part, ...rest]: readonly string[]): unknown[] {
  if (part === undefined) return Array.isArray(value) ? [value, ...(value as unknown[])] : [value];
  if (isPlain(value)) return Object.hasOwn(value, part) ? valuesAt(value[part], rest) : [];
  if (!Array.isArray(value)) return [];

  const inside = value.filter(isPlain).flatMap((element) => valuesAt(element, [part, ...rest]));
  if (!/^\d+$/.test(part) || !(part in value)) return inside;
  const numbered = value[Number(part)] as unknown;
  return [...inside, ...(rest.length === 0 ? [numbered] : valuesAt(numbered, rest))];
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

function isIn(value: unknown): value is { $in: unknown[] } {
  return value !== null && typeof value === 'object' && Array.isArray((value as { $in?: unknown }).$in);
}

// A copy, because casting changes the object that it gets, and the declaration is the user's.
function structuredCloneOf(when: DependencyCondition): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(when).map(([path, value]) => [path, isIn(value) ? { $in: [...value.$in] } : value]),
  );
}
