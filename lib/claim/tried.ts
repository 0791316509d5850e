import { keyOf } from '../values/id';

/** Tasks that one claim has tried. One that it meets again can be claimed by everything but its `_id`. */
export class Tried {
  readonly #ids: unknown[] = [];
  #keys: ReadonlySet<string> | null = null;

  has(id: unknown): boolean {
    this.#keys ??= new Set(this.#ids.map(keyOf));

    return this.#keys.has(keyOf(id));
  }

  add(ids: readonly unknown[]): void {
    this.#ids.push(...ids);
    this.#keys = null;
  }

  /** Whether all of them were tried before. They count as tried from now on. */
  hadAll(ids: readonly unknown[]): boolean {
    const hadAll = ids.length > 0 && this.#ids.length > 0 && ids.every((id) => this.has(id));
    this.add(ids);

    return hadAll;
  }
}
