import { type AnyModel, namespaceOf } from '../definition/definition';
import { perClient } from '../server/per-client';
import { isUnauthorized } from '../server/permanent';
import { leniently, NEWEST } from '../server/read';
import { persistently } from '../server/transient';
import { clearTimeout, monotonic, setTimeout } from '../timers';
import { CONTROL, type Control, controlIn, NO_CONTROL, sideOf } from './collection';

/** How long a look at the control document counts, in milliseconds: a pause and a cancel have to be heard within a second. */
export const LOOK_MS = 750;

type Listener = (control: Control) => void;

/**
 * What this process knows of the control document of one collection. One look serves all models, workers and pops of the collection.
 */
export class Look {
  #known: Control | null = null;
  /** When the last look began, by the monotonic clock. */
  #lookedAt = -Infinity;
  #underWay: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isWarned = false;
  /** Grows with each write of this process: looks that began before it do not count. */
  #generation = 0;
  readonly #listeners = new Set<Listener>();

  constructor(private readonly model: AnyModel) {}

  /** The control document as last seen; null before the first look. */
  get known(): Control | null {
    return this.#known;
  }

  get isFresh(): boolean {
    return monotonic() - this.#lookedAt < LOOK_MS;
  }

  /** The control document as it was less than LOOK_MS ago, or later. */
  async fresh(): Promise<Control> {
    const calledAt = monotonic();
    while (!this.isFresh && this.#lookedAt < calledAt) {
      // A look that was under way at the call may have begun long before.
      const isOwn = this.#underWay === null;
      // All go on in the same microtask: what they do next is done together.
      const failure = await this.#begin().then(
        () => null,
        (reason: unknown) => ({ reason }),
      );
      if (failure && isOwn) throw failure.reason;
    }

    return this.#known!;
  }

  /** Looks anew: what was read before this call does not count. */
  async again(): Promise<Control> {
    this.#generation++;
    this.#lookedAt = -Infinity;

    return this.fresh();
  }

  /** Looks regularly, and calls `listener` with each change, until the returned function is called. */
  listen(listener: Listener): () => void {
    // One function may be registered twice.
    const own: Listener = (control) => listener(control);
    this.#listeners.add(own);
    this.#setTimer(this.#restMs());

    return () => {
      this.#listeners.delete(own);
      if (this.#listeners.size > 0) return;
      clearTimeout(this.#timer ?? undefined);
      this.#timer = null;
    };
  }

  #setTimer(waitMs: number): void {
    if (this.#timer || this.#listeners.size === 0) return;
    this.#timer = setTimeout(() => void this.#tick(), waitMs);
    // Listening alone must not keep a process alive.
    this.#timer.unref();
  }

  async #tick(): Promise<void> {
    // An error here is met by the next claim, too.
    if (!this.isFresh) await this.#begin().catch(() => {});
    this.#timer = null;
    this.#setTimer(this.#restMs());
  }

  /** Until when the last look counts, in milliseconds; after a failed one a whole turn. */
  #restMs(): number {
    const ageMs = monotonic() - this.#lookedAt;

    return ageMs < LOOK_MS ? LOOK_MS - ageMs : LOOK_MS;
  }

  #begin(): Promise<void> {
    this.#underWay ??= this.#read().finally(() => {
      this.#underWay = null;
    });

    return this.#underWay;
  }

  async #read(): Promise<void> {
    const generation = this.#generation;
    let begunAt = 0;
    const find = () =>
      leniently(this.model, (how) => {
        begunAt = monotonic();
        return sideOf(this.model).findOne(CONTROL, { ...NEWEST, ...how });
      });
    const stored = await persistently(find).catch((error: unknown) => {
      if (!isUnauthorized(error)) throw error;
      this.#warn();
      return null;
    });
    if (generation === this.#generation) this.#note(controlIn(stored), begunAt);
  }

  #note(control: Control, begunAt: number): void {
    const before = this.#known ?? NO_CONTROL;
    this.#lookedAt = begunAt;
    this.#known = control;
    if (JSON.stringify(before) === JSON.stringify(control)) return;
    for (const listener of this.#listeners) listener(control);
  }

  #warn(): void {
    if (this.#isWarned) return;
    this.#isWarned = true;
    process.emitWarning(
      `Pauses and cancels of ${this.model.modelName} are not seen: the connection's user lacks the right \`find\` on ${namespaceOf(this.model)}.queue.`,
      'TaskQueueWarning',
    );
  }
}

export const lookOf = perClient(namespaceOf, (model) => new Look(model));
