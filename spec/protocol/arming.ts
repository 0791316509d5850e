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
 * PARK, ARM, re-check and wake of one task on servers that lose writes: a replica set that elects, or a server that is killed and comes
 * back with what its journal has. Every write may go unacknowledged, every process may die. D is met whenever a waker looks and unmet
 * whenever a pop judges, which is the worst that can happen.
 *
 * A pop parks with a near re-check, then arms. ARM waits for what the task waits for, and is repeated until it is acknowledged, with a
 * fresh token each time. An acknowledgement that does not come in time is asked for by a write that matches nothing, which waits for all
 * that came before it on whichever primary it meets: it tells something of ARM, or of W2, only on the one that has carried that out.
 * A re-check that finds the task waiting still arms again, and puts itself off (FAR) only after that was
 * acknowledged, if nobody has parked the task anew or put the re-check off since it was read. A waker disarms only when what it
 * woke was acknowledged.
 *
 * - `farAtOnce`: a pop parks with a far re-check, and dies before ARM
 * - `farBeforeArm`: a re-check puts itself off before ARM, and dies in between
 * - `farWhenArmed`: it does so where it has seen a mark; but a waker that looked before the task was parked anew removes that mark
 * - `farOfAnother`: FAR does not compare the re-check with what was read, and puts off that of another parking, who died before ARM
 * - `armUnacknowledged`: ARM does not wait for the majority, and is rolled back
 * - `armOnce`: ARM is not repeated
 * - `armAgain`: ARM is repeated with the same token, over a newer mark, which W3 then takes for the one that W1 has read
 * - `armConfirmedElsewhere`: ARM counts as acknowledged when any primary has confirmed, where it may have been rolled back
 * - `wakeUnacknowledged`: W2 is not waited for before W3: the wake is rolled back and the mark is gone
 * - `wakeConfirmedElsewhere`: W2 counts as acknowledged when any primary has confirmed
 */
export type ArmingVariant =
  | 'right'
  | 'farAtOnce'
  | 'farBeforeArm'
  | 'farWhenArmed'
  | 'farOfAnother'
  | 'armUnacknowledged'
  | 'armOnce'
  | 'armAgain'
  | 'armConfirmedElsewhere'
  | 'wakeUnacknowledged'
  | 'wakeConfirmedElsewhere';

/** ARMs of one parker at the most: who has none left waits for the acknowledgement of the last. */
const ARMS = 2;

export const NEAR = 'quiescent: what a parked task waits for is armed, or its re-check is near';
export const ARMED = 'quiescent and nobody died: what a parked task waits for is armed';

type Task = 'queued' | 'near' | 'far';

interface Process<At = 'start' | 'park' | 'arm' | 'armed' | 'confirming' | 'farEarly' | 'far'> {
  readonly at: At;
  readonly runs: number;
  readonly seen: number;
  /** Which write of that primary it waits for. */
  readonly position: number;
  /** Of a re-check, how often the task was parked or put off when it was read: no two dates of a re-check are the same. */
  readonly parkings: number;
  /** The mark as it was read, 0 if there was none. */
  readonly token: number;
  /** How often ARM may yet be sent. */
  readonly armsLeft: number;
}

type Waker = Process<'start' | 'wake' | 'woken' | 'confirming' | 'disarm'>;

interface State {
  readonly set: ReplicaSet;
  readonly nextToken: number;
  readonly deaths: number;
  readonly parkers: readonly Process[];
  readonly waker: Waker;
}

export interface ArmingSize {
  /** How often each parker takes the task in hand: whoever dies has a successor. */
  readonly parkers: readonly number[];
  readonly wakes: number;
  readonly elections: number;
  readonly deaths: number;
}

export function armingModel(variant: ArmingVariant, size: ArmingSize): Model<State> {
  return { start: startOf(size), steps, broken };

  function* steps(state: State): Iterable<Step<State>> {
    for (const [step, set] of serverSteps(state.set)) yield [step, { ...state, set }];
    for (const [index, parker] of state.parkers.entries()) {
      const go = goer(state, (next) => ({ parkers: replaced(state.parkers, index, tidied({ ...parker, ...next })) }));
      yield* park(state, parker, go, (step) => `parker ${index}: ${step}`);
    }
    yield* wake(
      state,
      goer(state, (next) => ({ waker: tidied({ ...state.waker, ...next }) })),
    );
  }

  function broken({ set, parkers, waker, deaths }: State): string | undefined {
    const isQuiescent = [...parkers, waker].every(({ at }) => at === 'start');
    const task = taskIn(set.log);
    if (!isQuiescent || task === 'queued' || markIn(set.log) !== 0) return undefined;
    if (task === 'far') return NEAR;

    return deaths === size.deaths ? ARMED : undefined;
  }

  function* park(state: State, parker: Process, go: Go, name: (step: string) => string): Iterable<Step<State>> {
    const { set } = state;
    const { at, runs, seen, position, parkings, armsLeft } = parker;
    if (at !== 'start' && state.deaths > 0) yield [name('dies'), go({ at: 'start' }, { deaths: state.deaths - 1 })];

    switch (at) {
      case 'start':
        if (runs > 0)
          for (const term of primariesSince(set, seen)) yield read(logOf(set, term)!, term, parker, go, name);
        break;
      case 'park':
        for (const term of primariesSince(set, seen)) {
          const log = logOf(set, term)!;
          const recheck = variant === 'farAtOnce' ? 'far' : 'near';
          if (taskIn(log) !== 'queued') yield [name(`PARK on ${term} finds another`), go({ at: 'start' })];
          else
            yield [
              name(`PARK ${recheck} on ${term}`),
              go({ ...toArm, seen: term }, { set: written(set, term, `park ${recheck}`) }),
            ];
        }
        break;
      case 'arm':
        for (const term of primariesSince(set, seen)) yield* arm(state, term, parker, go, name);
        break;
      case 'armed':
        if (isAcknowledged(set, seen, position))
          yield [name('acknowledged'), go({ at: parkings > 0 ? 'far' : 'start' })];
        else if (variant === 'armOnce') yield [name('not acknowledged'), go({ at: 'start' })];
        else {
          if (armsLeft > 0) yield [name('not acknowledged, arms once more'), go({ at: 'arm' })];
          yield* confirm(set, parker, go, name);
        }
        break;
      case 'confirming':
        if (!isAcknowledged(set, seen, position)) break;
        if (variant === 'armConfirmedElsewhere')
          yield [name('confirmed elsewhere'), go({ at: parkings > 0 ? 'far' : 'start' })];
        else if (armsLeft > 0) yield [name('confirmed elsewhere, arms once more'), go({ at: 'arm' })];
        break;
      case 'farEarly':
      case 'far':
        for (const term of primariesSince(set, seen)) {
          const log = logOf(set, term)!;
          const isSame = parkingsIn(log) === parkings || variant === 'farOfAnother';
          const isAsRead = taskIn(log) !== 'queued' && isSame;
          const next = { ...(at === 'far' ? { at: 'start' as const } : { ...toArm, parkings: 0 }), seen: term };
          yield [name(`FAR on ${term}`), go(next, isAsRead ? { set: written(set, term, 'far') } : {})];
        }
    }
  }

  function read(
    log: readonly string[],
    term: number,
    { runs }: Process,
    go: Go,
    name: (step: string) => string,
  ): Step<State> {
    const next = { runs: runs - 1, seen: term };
    if (taskIn(log) === 'queued') return [name(`pop reads on ${term}`), go({ ...next, at: 'park' })];

    const isArmed = markIn(log) !== 0;
    const isFarFirst = variant === 'farBeforeArm' || (variant === 'farWhenArmed' && isArmed);
    const found = { ...next, parkings: parkingsIn(log) };
    return [
      name(`re-check reads on ${term}, ${isArmed ? 'armed' : 'not armed'}`),
      go(isFarFirst ? { ...found, at: 'farEarly' } : { ...found, ...toArm }),
    ];
  }

  function* arm(
    { set, nextToken }: State,
    term: number,
    { token, armsLeft }: Process,
    go: Go,
    name: (step: string) => string,
  ): Iterable<Step<State>> {
    const mark = variant === 'armAgain' && token !== 0 ? token : nextToken;
    const changes = { set: written(set, term, `arm ${mark}`), nextToken: Math.max(nextToken, mark + 1) };
    const armed: Partial<Process> = {
      at: variant === 'armUnacknowledged' ? 'start' : 'armed',
      seen: term,
      position: logOf(set, term)!.length + 1,
      token: variant === 'armAgain' ? mark : 0,
      armsLeft: armsLeft - 1,
    };
    yield [name(`ARM ${mark} on ${term}`), go(armed, changes)];
    if (variant === 'armOnce') yield [name(`ARM on ${term}, the connection breaks before`), go({ at: 'start' })];
  }

  function* wake({ set, waker }: State, go: Go<Waker>): Iterable<Step<State>> {
    const { at, runs, seen, position, token } = waker;
    switch (at) {
      case 'start':
        if (runs === 0) break;
        for (const term of primariesSince(set, seen)) {
          const mark = markIn(logOf(set, term)!);
          if (mark)
            yield [
              `waker: W1 reads mark ${mark} on ${term}`,
              go({ at: 'wake', runs: runs - 1, seen: term, token: mark }),
            ];
        }
        break;
      case 'wake':
        for (const term of primariesSince(set, seen)) {
          const log = logOf(set, term)!;
          const isWaiting = taskIn(log) !== 'queued';
          const changes = isWaiting ? { set: written(set, term, 'wake') } : {};
          const next = variant === 'wakeUnacknowledged' ? 'disarm' : 'woken';
          yield [
            `waker: W2 on ${term}`,
            go({ at: next, seen: term, position: log.length + Number(isWaiting) }, changes),
          ];
        }
        break;
      case 'woken':
        if (isAcknowledged(set, seen, position)) yield ['waker: acknowledged', go({ at: 'disarm' })];
        else yield* confirm(set, waker, go, (step) => `waker: ${step}`);
        yield ['waker: not acknowledged, or dies', go({ at: 'start' })];
        break;
      case 'confirming':
        if (!isAcknowledged(set, seen, position)) break;
        yield ['waker: confirmed elsewhere', go({ at: variant === 'wakeConfirmedElsewhere' ? 'disarm' : 'start' })];
        break;
      case 'disarm':
        for (const term of primariesSince(set, seen)) {
          const isAsRead = markIn(logOf(set, term)!) === token;
          yield [
            `waker: W3 on ${term}`,
            go({ at: 'start', seen: term }, isAsRead ? { set: written(set, term, 'disarm') } : {}),
          ];
        }
        break;
    }
  }
}

function* confirm<Of extends Process | Waker>(
  set: ReplicaSet,
  { seen }: Of,
  go: Go<Of>,
  name: (step: string) => string,
): Iterable<Step<State>> {
  for (const term of primariesSince(set, seen)) {
    // On the same primary it waits for the acknowledgement itself.
    if (term === seen) continue;
    const waiting = { at: 'confirming', seen: term, position: logOf(set, term)!.length } as const;
    yield [name(`CONFIRM on ${term}`), go(waiting as Partial<Of>)];
  }
}

type Go<Of = Process> = (next: Partial<Of>, changes?: Partial<State>) => State;

function goer<Of = Process>(state: State, moved: (next: Partial<Of>) => Partial<State>): Go<Of> {
  return (next, changes = {}) => ({ ...state, ...changes, ...moved(next) });
}

function startOf({ parkers, wakes, elections, deaths }: ArmingSize): State {
  const idle = { at: 'start', seen: 1, position: 0, parkings: 0, token: 0, armsLeft: 0 } as const;

  return {
    set: replicaSet(elections),
    nextToken: 1,
    deaths,
    parkers: parkers.map((runs) => ({ ...idle, runs })),
    waker: { ...idle, runs: wakes },
  };
}

const toArm = { at: 'arm', position: 0, token: 0, armsLeft: ARMS } as const;

/** Without what it needs no more: states that differ in nothing else are one. */
function tidied<Of extends { at: string }>(process: Of): Of {
  return process.at === 'start' ? { ...process, position: 0, parkings: 0, token: 0, armsLeft: 0 } : process;
}

function taskIn(log: readonly string[]): Task {
  const last = log.findLast((entry) => entry.startsWith('park') || entry === 'far' || entry === 'wake');
  if (last === undefined || last === 'wake') return 'queued';

  return last === 'park near' ? 'near' : 'far';
}

function parkingsIn(log: readonly string[]): number {
  return log.filter((entry) => entry.startsWith('park') || entry === 'far').length;
}

function markIn(log: readonly string[]): number {
  const last = log.findLast((entry) => entry.startsWith('arm') || entry === 'disarm');

  return last === undefined || last === 'disarm' ? 0 : Number(last.slice('arm '.length));
}
