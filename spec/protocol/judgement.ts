import type { Model, Step } from './explore';
import {
  isAcknowledged,
  logOf,
  primariesSince,
  replicaSet,
  serverSteps,
  written,
  type ReplicaSet,
} from './replica-set';

/**
 * A pop judges a task by a dependency D that somebody finishes, and claims it, on a replica set that lags and elects. D is read from the
 * primary, which may have what no majority has. Where D is in the same replica set, the acknowledgement of the claim tells that a majority
 * has what was read before it, provided that both were of the same term; otherwise D is read again, and the claim confirmed again after
 * that, until both are of one term. Where D is elsewhere it is read as a majority has it. How a claim is confirmed is a model of its own;
 * here it is simply written again where it is not found.
 *
 * - `noSecondJudgement`: a claim that was repeated on a new primary is handed out as it was judged on the old one
 * - `noSecondConfirmation`: D is read again, but what that read is not confirmed
 * - `sameServer`: the addresses of the servers are compared, not their terms: one may be deposed, roll back and be elected again in between
 * - `localElsewhere`: a D of another replica set is read locally
 */
export type JudgementVariant = 'right' | 'noSecondJudgement' | 'noSecondConfirmation' | 'sameServer' | 'localElsewhere';

export const MET = 'no task is handed out whose dependency a majority never had as met';

interface Pop {
  readonly at: 'judge' | 'claim' | 'claimed' | 'handOut' | 'holds';
  /** The term of the primary that it talked to last. */
  readonly seen: number;
  /** The term of the primary that D was read from. */
  readonly judgedIn: number;
  /** Which write of the primary it waits for. */
  readonly position: number;
  /** Whether the claim was acknowledged before: then only the judgement is open. */
  readonly isClaimed: boolean;
}

interface State {
  readonly set: ReplicaSet;
  /** The replica set of D, where it is another. */
  readonly elsewhere: ReplicaSet | null;
  readonly pop: Pop;
}

export function judgementModel(
  variant: JudgementVariant,
  { elections, isElsewhere }: { elections: number; isElsewhere: boolean },
): Model<State> {
  const pop: Pop = { at: 'judge', seen: 1, judgedIn: 0, position: 0, isClaimed: false };
  const elsewhere = isElsewhere ? replicaSet(elections) : null;

  return { start: { set: replicaSet(elections), elsewhere, pop }, steps };

  function* steps(state: State): Iterable<Step<State>> {
    for (const [step, set] of serverSteps(state.set)) yield [step, { ...state, set }];
    yield* elsewhereSteps(state);
    yield* finishD(state);
    yield* act(state);
  }

  function* act(state: State): Iterable<Step<State>> {
    const { set } = state;
    const { at, seen, judgedIn, position } = state.pop;
    const go = (next: Partial<Pop>, changed = set): State => ({
      ...state,
      set: changed,
      pop: { ...state.pop, ...next },
    });

    switch (at) {
      case 'judge':
        yield* judge(state, go);
        break;
      case 'claim':
        for (const term of primariesSince(set, seen)) {
          const log = logOf(set, term)!;
          const isFound = log.includes('claim');
          const claimed = isFound ? set : written(set, term, 'claim');
          const next = { at: 'claimed', seen: term, position: log.length + Number(!isFound) } as const;
          yield [`pop: ${isFound ? 'CONFIRM' : 'CLAIM'} on ${term}`, go(next, claimed)];
        }
        break;
      case 'claimed':
        if (isAcknowledged(set, seen, position)) yield ['pop: acknowledged', go(acknowledged(state.pop))];
        yield ['pop: not acknowledged, once more', go({ at: 'claim' })];
        break;
      case 'handOut':
        yield [`pop: hands out what was judged in ${judgedIn}`, go({ at: 'holds' }), isMet(state) ? undefined : MET];
        break;
      case 'holds':
        break;
    }
  }

  function* judge(state: State, go: (next: Partial<Pop>) => State): Iterable<Step<State>> {
    const { set, elsewhere, pop } = state;
    if (elsewhere) {
      for (const term of primariesSince(elsewhere, 1)) {
        const log =
          variant === 'localElsewhere' ? logOf(elsewhere, term)! : elsewhere.log.slice(0, elsewhere.committed);
        if (log.includes('met')) yield [`pop: read D on ${term} of the other: met`, go({ at: 'claim' })];
      }
      return;
    }
    const confirmed = variant === 'noSecondConfirmation' && pop.isClaimed ? 'handOut' : 'claim';
    for (const term of primariesSince(set, pop.seen))
      if (logOf(set, term)!.includes('met'))
        yield [`pop: read D on ${term}: met`, go({ at: confirmed, seen: term, judgedIn: term })];
  }

  function acknowledged({ seen, judgedIn }: Pop): Partial<Pop> {
    // There was another primary in between: it may be the first one that is it again.
    const isSameServer = variant === 'sameServer' && seen - judgedIn > 1;
    const isGood = isElsewhere || seen === judgedIn || isSameServer || variant === 'noSecondJudgement';

    return { at: isGood ? 'handOut' : 'judge', isClaimed: true };
  }
}

function* elsewhereSteps(state: State): Iterable<Step<State>> {
  if (!state.elsewhere) return;
  for (const [step, elsewhere] of serverSteps(state.elsewhere)) yield [`the other: ${step}`, { ...state, elsewhere }];
}

// Once; whoever does it does not wait for the majority.
function* finishD(state: State): Iterable<Step<State>> {
  const set = state.elsewhere ?? state.set;
  const isDone = [set.log, set.deposed?.log ?? []].some((log) => log.includes('met'));
  if (isDone) return;

  for (const term of primariesSince(set, 1)) {
    const changed = written(set, term, 'met');
    yield [
      `somebody finishes D on ${term}`,
      state.elsewhere ? { ...state, elsewhere: changed } : { ...state, set: changed },
    ];
  }
}

function isMet({ set, elsewhere }: State): boolean {
  const { log, committed } = elsewhere ?? set;

  return log.slice(0, committed).includes('met');
}
