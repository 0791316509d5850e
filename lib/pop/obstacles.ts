import type { ReadyQuery } from '../claim/ready';
import { DependencyType } from '../declare/dependency';
import type { Filter } from '../definition/definition';
import { isPossible } from '../dependencies/cast';
import type { Clause } from '../dependencies/clauses';
import { type Awaited, policyOf } from '../dependencies/verdict';
import { keyOf } from '../values/id';
import type { Judgement } from '../waiting/judged';

/** Documents of one clause that a query passes over at the most. */
const MAX_IDS = 100;

/** What holds up the tasks of one kind by one of their clauses. */
interface Obstacle {
  readonly kind: Filter;
  readonly clause: Clause;
  /** By key, the ids of those that count, each with how many tasks it holds up. */
  readonly counted: Map<string, { id: unknown; tasks: number }>;
  /** Those that do not: they may be there as well where one of several is enough. */
  readonly ignored: Map<string, unknown>;
}

/**
 * Documents that hold up several of the tasks that were judged. Whatever else waits for them is not ready either and need not be
 * judged: so the one that is ready is found behind any number of those that nobody has parked yet.
 */
export class Obstacles {
  readonly #all = new Map<string, Obstacle>();

  /** @param kindKey is the field that tells the kind of a task, where there are several. */
  constructor(private readonly kindKey: string | undefined) {}

  /** Whether any were found. */
  get areThere(): boolean {
    return this.#filters().length > 0;
  }

  note(judgements: readonly Judgement[]): void {
    for (const { task, verdict } of judgements) {
      // By `refPath`, one id may stand for documents of several models.
      if (verdict.kind === 'ready' || verdict.clause.refPath !== null) continue;
      const kind = this.kindKey ? { [this.kindKey]: (task[this.kindKey] as unknown) ?? null } : {};
      const obstacle = this.#obstacle(kind, verdict.clause);
      for (const one of verdict.kind === 'waits' ? verdict.on : verdict.by) count(obstacle, one);
    }
    for (const obstacle of this.#all.values()) forgetSingle(obstacle);
  }

  /** The same query without the tasks that these hold up. */
  past(query: ReadyQuery): ReadyQuery {
    const $nor = this.#filters();

    return $nor.length === 0 ? query : { ...query, filter: { ...query.filter, $nor } };
  }

  /** The same query for those alone. */
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

function count({ clause, counted, ignored }: Obstacle, { given: id, standing }: Awaited): void {
  if (!isPossible(id)) return;
  const key = keyOf(id);
  const known = counted.get(key);
  if (policyOf(clause, { standing }) === 'ignore') ignored.set(key, id);
  else if (known) known.tasks++;
  else counted.set(key, { id, tasks: 1 });
}

// Who waits for what nobody else waits for is out of the way once it is parked.
function forgetSingle({ counted, ignored }: Obstacle): void {
  for (const [key, { tasks }] of counted) if (tasks === 1) counted.delete(key);
  for (const ids of [counted, ignored]) for (const key of [...ids.keys()].slice(MAX_IDS)) ids.delete(key);
}
