import { isOfDocument } from './mend';

/** Errors that are the fault of single tasks: they are told by a claim only where it can hand out no other. */
export class Refusals {
  #first: { readonly error: unknown } | null = null;

  /** What a claim brought, or `none` where it was refused for the sake of one task, which the next claim passes over. */
  async unlessRefused<T>(claiming: Promise<T>, none: T): Promise<T> {
    try {
      return await claiming;
    } catch (error) {
      if (!isOfDocument(error)) throw error;
      this.add(error);

      return none;
    }
  }

  add(error: unknown): void {
    this.#first ??= { error };
  }

  /** To be called when nothing was claimed. */
  orNone<T>(none: T): T {
    if (this.#first) throw this.#first.error;

    return none;
  }
}
