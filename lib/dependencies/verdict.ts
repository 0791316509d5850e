import { DependencyType } from '../declare/dependency';
import type { Reference } from './cast';
import type { Clause } from './clauses';
import type { Target } from './targets';

/** How one referenced document stands with regard to a clause. */
export type Standing = 'met' | 'unmet' | 'failed' | 'missing';

/** A document that is waited for. `failed` tells that a failure is no news any more, only its end or its success is. */
export interface Awaited extends Pick<Reference, 'id' | 'given'> {
  readonly standing: Standing;
  /** Set for one of which only one of its ends is waited for. */
  readonly only?: 'success' | 'failure';
}

export type Verdict =
  | { readonly kind: 'ready' }
  | { readonly kind: 'waits'; readonly clause: Clause; readonly target: Target | null; readonly on: readonly Awaited[] }
  | {
      readonly kind: 'doomed';
      readonly clause: Clause;
      readonly target: Target | null;
      readonly by: readonly Awaited[];
    };

export const READY: Verdict = { kind: 'ready' };

/** The clauses of a task with the ids it refers to and how each stands. */
export interface Judged {
  readonly clause: Clause;
  readonly target: Target | null;
  readonly references: readonly Awaited[];
}

/**
 * Whether a task may run. A doomed clause decides before a waiting one: waiting longer would not change it. One unmet clause is
 * enough to wait for; of ALL_OF one document, chosen at random, so that a task does not wake for each of a thousand, and the
 * failure of any, where that decides. Of ANY_OF it is the other way round: the success of any, and the failure of one.
 */
export function judge(clauses: readonly Judged[], random: () => number = Math.random): Verdict {
  let waits: Verdict | null = null;
  for (const judged of clauses) {
    const verdict = judgeClause(judged, random);
    if (verdict.kind === 'doomed') return verdict;
    if (verdict.kind === 'waits') waits ??= verdict;
  }

  return waits ?? READY;
}

function judgeClause(judged: Judged, random: () => number): Verdict {
  const { clause, references } = judged;
  const counted = references.filter((reference) => policyOf(clause, reference) !== 'ignore');
  if (counted.length === 0) return READY;

  return clause.type === DependencyType.ANY_OF ? judgeAny(judged, counted, random) : judgeAll(judged, counted, random);
}

function judgeAll({ clause, target }: Judged, counted: readonly Awaited[], random: () => number): Verdict {
  const open = counted.filter(({ standing }) => standing !== 'met');
  if (open.length === 0) return READY;

  const fatal = open.filter((reference) => policyOf(clause, reference) === 'fail');
  if (fatal.length > 0) return { kind: 'doomed', clause, target, by: fatal };

  // A document that is there can be watched; a missing one can only be looked for again.
  const watchable = open.filter(({ standing }) => standing !== 'missing');
  const choice = watchable.length > 0 ? watchable : open;
  const chosen = choice[Math.floor(random() * choice.length)]!;
  if (clause.onFailed !== 'fail') return { kind: 'waits', clause, target, on: [chosen] };

  // The first failure decides, whichever it is of.
  const others = watchable.filter((one) => one !== chosen).map((one) => ({ ...one, only: 'failure' as const }));
  return { kind: 'waits', clause, target, on: [chosen, ...others] };
}

function judgeAny({ clause, target, references }: Judged, counted: readonly Awaited[], random: () => number): Verdict {
  if (counted.some(({ standing }) => standing === 'met')) return READY;
  if (counted.every((reference) => policyOf(clause, reference) === 'fail'))
    return { kind: 'doomed', clause, target, by: counted };

  // Without a failure of this one, too, no failure decides.
  const unmet = references.filter(({ standing }) => standing === 'unmet');
  const chosen = unmet[Math.floor(random() * unmet.length)];
  // Also those that are ignored as long as they have failed: they may be pushed again and finish first.
  const on = references.map((one) => (one === chosen ? one : { ...one, only: 'success' as const }));
  return { kind: 'waits', clause, target, on };
}

/** What the clause says of a document that stands so, where it says anything. */
export function policyOf(clause: Clause, { standing }: Pick<Awaited, 'standing'>): 'wait' | 'fail' | 'ignore' | 'none' {
  if (standing === 'failed') return clause.onFailed;
  if (standing === 'missing') return clause.onMissing;

  return 'none';
}
