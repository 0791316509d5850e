import { replaced, type Model, type Step } from './explore';
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
 * Two processes claim one task on a replica set that lags and elects. The limit of a claim's time ends the wait for the majority as well,
 * and its connection may break: after it was carried out, or before, in which case it may still be carried out later. A claim whose
 * acknowledgement did not come is confirmed, once it can no longer be carried out, by a write that looks for its token and waits for
 * the majority: matched, it is handed out; not matched, it never was and never will be. What cannot be confirmed is given back, by a
 * write that is repeated until it is acknowledged or the lease has ended.
 *
 * Right as well is `confirmThenRead`: the write that confirms matches nothing, and what was won is read by its token after it.
 *
 * - `localRead`: what a local read finds by the token is handed out
 * - `localNo`: what a local read does not find is taken for not claimed; but the deposed primary that has it may come back
 * - `locked`: a claim that was not acknowledged in time is taken for one that waited for a locked document, and thrown away
 * - `batch`: a batch whose time was up goes on to read by its token what it won
 * - `returnsOnce`: the write that gives back is not waited for, and is rolled back
 * - `tooEarly`: it is confirmed while it may still be carried out, which then leaves it to nobody
 * - `tooEarlyThenRead`: the same with `confirmThenRead`: one that is carried out between the two is handed out without a majority
 */
export type AcknowledgementVariant =
  | 'right'
  | 'confirmThenRead'
  | 'localRead'
  | 'localNo'
  | 'locked'
  | 'batch'
  | 'returnsOnce'
  | 'tooEarly'
  | 'tooEarlyThenRead';

export const ONE_LEASE = 'a task is held by at most one valid lease';
export const FENCE = 'no two valid leases have the same fence';
export const ROLLED_BACK = 'a claim that was handed out is never rolled back';
export const LEFT = 'a claim is never left to nobody while its claimer lives';

interface Claimer {
  readonly at: 'start' | 'claimed' | 'unsure' | 'confirming' | 'read' | 'giveBack' | 'givingBack' | 'holds' | 'none';
  /** The term of the primary that it talked to last. */
  readonly seen: number;
  /** Which write of that primary it waits for. */
  readonly position: number;
  /** Whether the write that confirms has matched. */
  readonly isMatched: boolean;
  readonly fence: number;
  /** The term of the primary that may still carry out the claim whose connection broke, 0 if none. */
  readonly late: number;
  readonly isLeaseOver: boolean;
}

interface State {
  readonly set: ReplicaSet;
  readonly claimers: readonly Claimer[];
}

export interface AcknowledgementSize {
  readonly claimers?: number;
  readonly elections: number;
  /** Whether a claim may be carried out although its connection broke before. */
  readonly lateClaims: boolean;
  /** The properties that are looked at. */
  readonly properties?: readonly string[];
}

const ALL = [ONE_LEASE, FENCE, ROLLED_BACK, LEFT];

export function acknowledgementModel(
  variant: AcknowledgementVariant,
  { claimers = 2, elections, lateClaims, properties = ALL }: AcknowledgementSize,
): Model<State> {
  const isTooEarly = variant === 'tooEarly' || variant === 'tooEarlyThenRead';
  const isReadAfter = variant === 'confirmThenRead' || variant === 'tooEarlyThenRead';

  return {
    start: { set: replicaSet(elections), claimers: Array.from({ length: claimers }, () => NEW) },
    steps,
    broken: (state) => brokenIn(state).find((property) => properties.includes(property)),
  };

  function* steps(state: State): Iterable<Step<State>> {
    for (const [step, set] of serverSteps(state.set)) yield [step, { ...state, set }];
    for (const index of state.claimers.keys()) yield* act(state, index);
  }

  function* act(state: State, index: number): Iterable<Step<State>> {
    const { set } = state;
    const claimer = state.claimers[index]!;
    const { at, seen, position, isMatched } = claimer;
    const name = (step: string) => `claimer ${index}: ${step}`;
    const go = (next: Partial<Claimer>, changed = set): State => ({
      set: changed,
      claimers: replaced(state.claimers, index, tidied({ ...claimer, ...next })),
    });
    const isAcked = isAcknowledged(set, seen, position);
    const isLaterOver = at !== 'start' && !claimer.isLeaseOver;
    if (isLaterOver) yield [name('lease ends'), go({ isLeaseOver: true })];
    yield* lateClaim(state, index, go, name);

    switch (at) {
      case 'start':
        for (const term of primariesSince(set, seen)) {
          const log = logOf(set, term)!;
          const claimed = written(set, term, `claim ${index}`);
          if (isClaimable(state, log))
            yield [name(`CLAIM on ${term}`), go({ at: 'claimed', seen: term, position: log.length + 1 }, claimed)];
          else yield [name(`CLAIM on ${term} finds nothing`), go({ at: 'none' })];
          yield [
            name(`CLAIM on ${term}, the connection breaks before`),
            go({ at: 'unsure', seen: term, late: lateClaims ? term : 0 }),
          ];
        }
        break;
      case 'claimed':
        if (isAcked) yield [name('acknowledged'), go(holding(logOf(set, seen)!, index))];
        yield [name('time is up'), go({ at: variant === 'locked' ? 'none' : variant === 'batch' ? 'read' : 'unsure' })];
        yield [name('the connection breaks'), go({ at: variant === 'localRead' ? 'read' : 'unsure' })];
        break;
      case 'unsure':
        for (const term of primariesSince(set, seen)) {
          const log = logOf(set, term)!;
          const isFound = holderIn(log) === index;
          if (variant === 'localNo' && !isFound)
            yield [name(`read by token on ${term} finds nothing`), go({ at: 'none' })];
          yield [
            name(`CONFIRM on ${term}${isFound ? '' : ' finds nothing'}`),
            go({
              at: 'confirming',
              seen: term,
              position: log.length,
              isMatched: isFound,
              late: isTooEarly ? claimer.late : 0,
            }),
          ];
        }
        break;
      case 'confirming':
        if (isAcked && isReadAfter) yield [name('acknowledged'), go({ at: 'read' })];
        else if (isAcked)
          yield [name('acknowledged'), go(isMatched ? holding(logOf(set, seen)!, index) : { at: 'none' })];
        yield [name('not acknowledged, once more'), go({ at: 'unsure' })];
        yield [name('not acknowledged, gives up'), go({ at: 'giveBack' })];
        break;
      case 'read':
        for (const term of primariesSince(set, seen)) {
          const log = logOf(set, term)!;
          const found = holderIn(log) === index ? holding(log, index) : { at: 'none' as const };
          yield [name(`read by token on ${term}`), go({ ...found, seen: term })];
        }
        break;
      case 'giveBack':
        for (const term of primariesSince(set, seen)) {
          const log = logOf(set, term)!;
          const isFound = holderIn(log) === index;
          const returned = isFound ? written(set, term, `back ${index}`) : set;
          const late = isTooEarly ? claimer.late : 0;
          const next = { seen: term, position: log.length + Number(isFound), late };
          yield [
            name(`GIVE BACK on ${term}`),
            go({ ...next, at: variant === 'returnsOnce' ? 'none' : 'givingBack' }, returned),
          ];
        }
        break;
      case 'givingBack':
        if (isAcked || claimer.isLeaseOver) yield [name('given back'), go({ at: 'none' })];
        yield [name('not acknowledged, gives back once more'), go({ at: 'giveBack' })];
        break;
      case 'holds':
      case 'none':
        break;
    }
  }
}

const NEW: Claimer = {
  at: 'start',
  seen: 1,
  position: 0,
  isMatched: false,
  fence: 0,
  late: 0,
  isLeaseOver: false,
};

/** Without what it needs no more: states that differ in nothing else are one. */
function tidied(claimer: Claimer): Claimer {
  const { at } = claimer;
  if (at === 'holds' || at === 'none') return { ...claimer, seen: 0, position: 0, isMatched: false };

  return at === 'claimed' || at === 'confirming' || at === 'givingBack'
    ? claimer
    : { ...claimer, position: 0, isMatched: false };
}

function holding(log: readonly string[], index: number): Partial<Claimer> {
  const claims = log.slice(0, log.lastIndexOf(`claim ${index}`) + 1).filter((entry) => entry.startsWith('claim'));

  return { at: 'holds', fence: claims.length };
}

// Who gave up on it before the server carried it out.
function* lateClaim(
  { set, claimers }: State,
  index: number,
  go: (next: Partial<Claimer>, changed?: ReplicaSet) => State,
  name: (step: string) => string,
): Iterable<Step<State>> {
  const { late } = claimers[index]!;
  if (late === 0) return;
  const log = logOf(set, late);
  if (log && isClaimable({ claimers }, log))
    yield [name(`the earlier CLAIM is carried out on ${late}`), go({ late: 0 }, written(set, late, `claim ${index}`))];
  else yield [name('the earlier CLAIM comes to nothing'), go({ late: 0 })];
}

function isClaimable({ claimers }: Pick<State, 'claimers'>, log: readonly string[]): boolean {
  const holder = holderIn(log);

  return holder === null || claimers[holder]!.isLeaseOver;
}

/** Whose token the task bears after these writes, null if it is in the queue. */
function holderIn(log: readonly string[]): number | null {
  const last = log.findLast((entry) => !entry.startsWith('elected'));

  return last?.startsWith('claim') ? Number(last.slice(-1)) : null;
}

function brokenIn({ set, claimers }: State): string[] {
  const [one, other] = claimers.filter(({ at, isLeaseOver }) => at === 'holds' && !isLeaseOver);
  const isGone = ({ at }: Claimer, index: number) => at === 'holds' && !set.log.includes(`claim ${index}`);
  const isLeft = ({ at, isLeaseOver }: Claimer, index: number) =>
    at === 'none' && !isLeaseOver && holderIn(set.log.slice(0, set.committed)) === index && holderIn(set.log) === index;

  return [
    ...(one && other ? [one.fence === other.fence ? FENCE : ONE_LEASE] : []),
    ...(claimers.some(isGone) ? [ROLLED_BACK] : []),
    ...(claimers.some(isLeft) ? [LEFT] : []),
  ];
}
