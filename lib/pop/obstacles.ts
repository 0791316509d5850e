import type { ReadyQuery } from '../claim/ready';
import { DependencyType } from '../declare/dependency';
import type { Filter } from '../definition/definition';
import { isPossible } from '../dependencies/cast';
import type { Clause } from '../dependencies/clauses';
import { type Awaited, policyOf } from '../dependencies/verdict';
import { keyOf } from '../values/id';
import type { Judgement } from '../waiting/judged';

/** At most this many documents of one clause are excluded by a query. */
const MAX_IDS = 100;

/** The documents of one clause that hold up tasks of one kind. */
interface Obstacle {
  readonly kind: Filter;
  readonly clause: Clause;
  /** The documents that hold tasks up: by key, the id and the number of those tasks. */
  readonly counted: Map<string, { id: unknown; tasks: number }>;
  /** The documents that the clause ignores, by key: an ANY_OF list may hold them as well. */
  readonly ignored: Map<string, unknown>;
}

/**
 * Documents that hold up several of the judged tasks. Other tasks that wait for them are not ready either and need not be judged, so a
 * ready task is found behind any number of tasks that are not parked yet.
 */
export class Obstacles {
  readonly #all = new Map<string, Obstacle>();

  /** @param kindKey The discriminator key of the tasks, where there are kinds. */
  constructor(private readonly kindKey: string | undefined) {}

  /** Whether any obstacles were found. */
  get areThere(): boolean {
    return this.#filters().length > 0;
  }

  note(judgements: readonly Judgement[]): void {
    for (const { task, verdict } of judgements) {
      // With `refPath` one id may stand for documents of several models.
      if (verdict.kind === 'ready' || verdict.clause.refPath !== null) continue;
      const kind = this.kindKey ? { [this.kindKey]: (task[this.kindKey] as unknown) ?? null } : {};
      const obstacle = this.#obstacle(kind, verdict.clause);
      for (const one of some(verdict.clause, verdict.kind === 'waits' ? verdict.on : verdict.by)) count(obstacle, one);
    }
    for (const obstacle of this.#all.values()) forgetSingle(obstacle);
  }

  /** The query without the tasks that the obstacles hold up. */
  past(query: ReadyQuery): ReadyQuery {
    const $nor = this.#filters();

    return $nor.length === 0 ? query : { ...query, filter: { ...query.filter, $nor } };
  }

  /** The query for only the tasks that the obstacles hold up. */
  behind(query: ReadyQuery): ReadyQuery {
    return { ...query, filter: { ...query.filter, $or: this.#filters() } };
  }

  #obstacle(kind: Filter, clause: Clause): Obstacle {
    const name = JSON.stringify([kind, clause.path]);
    const obstacle = this.#all.get(name) ?? { kind, clause, counted: new Map(), ignored: new Map() };
    this.#all.set(name, obstacle);

    return obstacle;
  }

  #filters(): Filter[] {
    return [...this.#all.values()].flatMap(({ kind, clause, counted, ignored }) => {
      const $in = [...counted.values()].map(({ id }) => id);
      if ($in.length === 0) return [];
      if (clause.type !== DependencyType.ANY_OF) return [{ ...kind, [clause.path]: { $in } }];

      const isNoOther = { $not: { $elemMatch: { $nin: [...$in, ...ignored.values()] } } };
      return [{ ...kind, [clause.path]: { $in, ...isNoOther } }];
    });
  }
}

// Where one of several is enough, nobody is held up by some of more than a query can name; else each one holds up by itself.
function some({ type }: Clause, about: readonly Awaited[]): readonly Awaited[] {
  if (type === DependencyType.ANY_OF) return about.length > 2 * MAX_IDS ? [] : about;

  return about.slice(0, MAX_IDS);
}

function count({ clause, counted, ignored }: Obstacle, { given: id, standing }: Awaited): void {
  if (!isPossible(id)) return;
  const key = keyOf(id);
  const known = counted.get(key);
  if (policyOf(clause, { standing }) === 'ignore') ignored.set(key, id);
  else if (known) known.tasks++;
  else counted.set(key, { id, tasks: 1 });
}

// A document blocking one task needs no filter: parking that task suffices.
function forgetSingle({ counted, ignored }: Obstacle): void {
  for (const [key, { tasks }] of counted) if (tasks === 1) counted.delete(key);
  for (const ids of [counted, ignored]) for (const key of [...ids.keys()].slice(MAX_IDS)) ids.delete(key);
}
