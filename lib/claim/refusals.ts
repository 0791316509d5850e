import { isOfDocument } from './repair';

/** At most this many refused tasks in a row are tried by a claim. */
const MANY = 32;

/** Errors that are the fault of single tasks: a claim throws them only if it can hand out no other task. */
export class Refusals {
  #first: { readonly error: unknown } | null = null;
  #count = 0;

  /** Settles as `claiming` does, but resolves to `none` if a single task refused the claim: the next claim skips that task. */
  async unlessRefused<T>(claiming: Promise<T>, none: T): Promise<T> {
    try {
      return await claiming;
    } catch (error) {
      if (!isOfDocument(error)) throw error;
      this.add(error);
      // With so many refusals in a row the fault is not the tasks'.
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

  /** Returns `none`, or throws the first refusal. Call it when nothing was claimed. */
  orNone<T>(none: T): T {
    if (this.#first) throw this.#first.error;

    return none;
  }
}
