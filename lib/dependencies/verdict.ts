import { DependencyType } from '../declare/dependency';
import type { Reference } from './cast';
import type { Clause } from './clauses';
import type { Target } from './targets';

/** The state of a referenced document with regard to a clause. */
export type Standing = 'met' | 'unmet' | 'failed' | 'missing';

/** A referenced document with its standing. For a `failed` one, another failure is no news. */
export interface Awaited extends Pick<Reference, 'id' | 'given'> {
  readonly standing: Standing;
  /** Set if only this end of the document is waited for. */
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

/** A clause of a task with its references and their standings. */
export interface Judged {
  readonly clause: Clause;
  readonly target: Target | null;
  readonly references: readonly Awaited[];
}

/**
 * Decides whether a task may run. A doomed clause decides before a waiting one, since waiting would not change it. A task waits for one
 * unmet clause. With ALL_OF it waits for one document, chosen at random, so that it is not woken by each of a thousand, and for the failure
 * of any document, if a failure decides. With ANY_OF it waits for the success of any document and the failure of one.
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

  // An existing document can be watched; a missing one can only be looked for again.
  const watchable = open.filter(({ standing }) => standing !== 'missing');
  const choice = watchable.length > 0 ? watchable : open;
  const chosen = choice[Math.floor(random() * choice.length)]!;
  if (clause.onFailed !== 'fail') return { kind: 'waits', clause, target, on: [chosen] };

  // The first failure decides, of whichever document.
  const others = watchable.filter((one) => one !== chosen).map((one) => awaitedOnly('failure', one));
  return { kind: 'waits', clause, target, on: [chosen, ...others] };
}

function judgeAny({ clause, target, references }: Judged, counted: readonly Awaited[], random: () => number): Verdict {
  if (counted.some(({ standing }) => standing === 'met')) return READY;
  if (counted.every((reference) => policyOf(clause, reference) === 'fail'))
    return { kind: 'doomed', clause, target, by: counted };

  // A failure decides only when all have failed, this one included: watching one is enough.
  const unmet = references.filter(({ standing }) => standing === 'unmet');
  const chosen = unmet[Math.floor(random() * unmet.length)];
  // Includes failed documents that are ignored: they may be pushed again and finish first.
  const on = references.map((one) => (one === chosen ? one : awaitedOnly('success', one)));
  return { kind: 'waits', clause, target, on };
}

// Field by field: there may be thousands.
function awaitedOnly(only: Awaited['only'] & string, { id, given, standing }: Awaited): Awaited {
  return { id, given, standing, only };
}

/** The clause's policy for a failed or missing document; `none` for any other. */
export function policyOf(clause: Clause, { standing }: Pick<Awaited, 'standing'>): 'wait' | 'fail' | 'ignore' | 'none' {
  if (standing === 'failed') return clause.onFailed;
  if (standing === 'missing') return clause.onMissing;

  return 'none';
}
