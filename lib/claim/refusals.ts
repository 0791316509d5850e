import { isOfDocument } from './repair';

/** Tasks that a claim tries although each is refused. */
const MANY = 32;

/** Errors that are the fault of single tasks: they are told by a claim only where it can hand out no other. */
export class Refusals {
  #first: { readonly error: unknown } | null = null;
  #count = 0;

  /** What a claim brought, or `none` where it was refused for the sake of one task, which the next claim passes over. */
  async unlessRefused<T>(claiming: Promise<T>, none: T): Promise<T> {
    try {
      return await claiming;
    } catch (error) {
      if (!isOfDocument(error)) throw error;
      this.add(error);
      // So many in a row are no fault of theirs.
      if (this.areMany) throw error;

      return none;
    }
  }

  get areMany(): boolean {
    return this.#count >= MANY;
  }

  add(error: unknown): void {
    this.#count++;
    this.#first ??= { error };
  }

  /** To be called when nothing was claimed. */
  orNone<T>(none: T): T {
    if (this.#first) throw this.#first.error;

    return none;
  }
}
