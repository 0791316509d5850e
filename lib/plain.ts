/** Whether a value has fields, and is not one of the types that stand for a single value. */
export function isPlain(value: unknown): value is Record<string, unknown> {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value) as object | null;

  return prototype === null || !Object.getPrototypeOf(prototype);
}
