/** A text that is the same for equal ids, of whatever type. */
export function keyOf(id: unknown): string {
  if (id !== null && typeof id === 'object') {
    if ('toHexString' in id) return (id as { toHexString(): string }).toHexString();
    return JSON.stringify(id);
  }

  return `${typeof id}:${String(id)}`;
}
