import { judge, KINDS, type Kind } from '.';
import type { Event, EventOf, Outcome } from '../events';
import type { Effect, FinalTask } from './evidence';

type Pushing = Partial<Omit<EventOf<'pushing'>, 'needs'>> & { readonly needs?: Partial<EventOf<'pushing'>['needs']> };
export const LEASE_MS = 3_000;

type Hold = readonly [task: string, fence: number, by: string];

/** Histories that no run has made, for what a checker must see in them. Times are milliseconds, tasks and processes any text. */
export class Forgery {
  readonly #events: Event[] = [];
  readonly #tasks = new Map<string, FinalTask>();
  readonly #effects: Effect[] = [];
  expiredBefore = 0;

  /** An event as it is. */
  tell(...events: Event[]): this {
    this.#events.push(...events);
    return this;
  }

  starts(by: string, unique: string, parts: readonly string[] = []): this {
    return this.tell({ at: 0, by, name: 'started', unique, parts });
  }

  /** A push that is sent and, unless it is said otherwise, acknowledged. */
  pushes(task: string, { needs, ...intent }: Pushing = {}, isAcknowledged = true): this {
    const common = { at: 0, by: 'producer', name: 'pushing', ends: 'FINISHED', delayMs: 0, recurs: false } as const;
    const all = { all: [], any: [], broken: [], ...needs };
    this.tell({ ...common, ...intent, task, needs: all });
    return isAcknowledged ? this.tell({ at: 1, by: 'producer', name: 'pushed', task }) : this;
  }

  claims([task, fence, by]: Hold, at: number, until = at + LEASE_MS): this {
    return this.tell({ at, by, name: 'claimed', task, fence, claimedAt: at, until });
  }

  renews([task, fence, by]: Hold, at: number): this {
    return this.tell({ at, by, name: 'renewed', task, fence, until: at + LEASE_MS });
  }

  /** What its handler asks for, and what it is told a moment later: the same, another thing, or nothing. */
  ends(
    [task, fence, by]: Hold,
    at: number,
    asked: Outcome = 'finished',
    told: Outcome | null = asked,
    delayMs = 0,
  ): this {
    this.tell({ at, by, name: 'settling', task, fence, outcome: asked, delayMs });
    return told ? this.tell({ at: at + 1, by, name: 'settled', task, fence, outcome: told }) : this;
  }

  /** A hold as the server showed it. */
  shows(task: string, fence: number, attempts: number, token: string, claimedAt: number): this {
    return this.tell({ at: claimedAt + 10, by: 'soak', name: 'held', task, fence, token, attempts, claimedAt });
  }

  /** How the task is stored at the end. */
  stores(id: string, stored: Partial<FinalTask> = {}): this {
    const common = { id, state: 'FINISHED', attempts: 1, fence: 1, doneBy: null, isChanged: false };
    this.#tasks.set(id, { ...common, ...stored });
    return this;
  }

  affects(task: string, fence: number): this {
    this.#effects.push({ task, fence });
    return this;
  }

  /** The kinds of which something is found, each with how much. */
  get found(): Partial<Record<Kind, number>> {
    const events = [...this.#events].sort((one, other) => one.at - other.at);
    const { expiredBefore } = this;
    const verdict = judge({ events, tasks: this.#tasks, effects: this.#effects, toleranceMs: 50, expiredBefore });

    return Object.fromEntries(KINDS.map((kind) => [kind, verdict[kind].length]).filter(([, count]) => count !== 0));
  }
}
