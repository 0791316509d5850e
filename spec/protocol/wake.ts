import { replaced, type Model, type Step } from './explore';

/**
 * Claim, park, arm and wake around one dependency D. Pops judge, claim or park the tasks; wakers pass over the outbox; anybody writes D
 * and, past the queue, the state of a parked task. Pops and wakers may die between any two of their steps, but not between
 * PARK and ARM: that is in `arming.ts`.
 *
 * - `flag`: ARM sets a flag instead of a fresh token, so that W3 removes a mark that was set after W1
 * - `armfirst`: ARM comes before PARK, so that a waker may disarm before there is anybody to wake
 * - `noarm`: nobody arms
 * - `disarmfirst`: W3 comes before W2, so that a waker that dies in between takes the mark with it
 * - `blindwake`: W2 writes without looking at the state, and touches a held task
 * - `createdonly`: W2 passes over a parked task that somebody finished by hand, and that may be put back
 */
export type WakeVariant = 'right' | 'flag' | 'armfirst' | 'noarm' | 'disarmfirst' | 'blindwake' | 'createdonly';

export const ARMED = 'quiescent: what a parked task waits for is armed';
export const HELD = 'no waker changes a held task';

const POPS = 3;
const WAKERS = 2;
const PASSES = 2;

/** `settled` was finished by hand while it was parked, and `settledWoken` woken after that. */
type Task = 'queued' | 'parked' | 'held' | 'settled' | 'settledWoken';

interface Pop {
  readonly at: 'start' | 'judge' | 'claim' | 'armEarly' | 'park' | 'arm' | 'done';
  readonly task: number;
  /** The task as it was read: the filter of CLAIM and PARK. */
  readonly read?: Task;
}

interface Waker {
  readonly at: 'idle' | 'find' | 'write' | 'disarm' | 'dead';
  /** Passes that are left. */
  readonly passes: number;
  /** The token that W1 read. */
  readonly token?: number;
  /** The tasks that W2 found and has still to write. */
  readonly found?: readonly number[];
}

interface State {
  readonly isMet: boolean;
  /** The token of the mark on D, 0 without one. */
  readonly armed: number;
  readonly nextToken: number;
  /** Writes by others that are left. */
  readonly writes: number;
  readonly tasks: readonly Task[];
  readonly pops: readonly Pop[];
  readonly wakers: readonly Waker[];
}

export function wakeModel(variant: WakeVariant, size: { tasks: number; writes: number }): Model<State> {
  const waiting: readonly Task[] = variant === 'createdonly' ? ['parked'] : ['parked', 'settled'];

  return { start: startOf(size), steps, broken };

  function* steps(state: State): Iterable<Step<State>> {
    if (state.writes > 0) yield* othersWrite(state);
    for (const index of state.pops.keys()) yield* pop(state, index);
    for (const index of state.wakers.keys()) yield* wake(state, index);
  }

  function broken({ armed, tasks, pops, wakers }: State): string | undefined {
    const isQuiescent =
      pops.every(({ at }) => at === 'done' || at === 'start') &&
      wakers.every(({ at }) => at === 'idle' || at === 'dead');

    return isQuiescent && armed === 0 && tasks.includes('parked') ? ARMED : undefined;
  }

  function* pop(state: State, index: number): Iterable<Step<State>> {
    const { at, task, read } = state.pops[index]!;
    const current = state.tasks[task]!;
    const name = (step: string) => `pop ${index} of T${task}: ${step}`;
    const go = (next: Pop['at'], changes: Partial<State> = {}, asRead = read): State => ({
      ...state,
      ...changes,
      pops: replaced(
        state.pops,
        index,
        next === 'done' ? { at: next, task } : { at: next, task, ...(asRead && { read: asRead }) },
      ),
    });
    const become = (to: Task) => (current === read ? { tasks: replaced(state.tasks, task, to) } : {});

    if (at !== 'done' && at !== 'start' && at !== 'arm') yield [name('dies'), go('done')];
    switch (at) {
      case 'start': {
        const isCandidate = current === 'queued' || current === 'parked'; // the latter by its re-check
        yield [name('read'), isCandidate ? go('judge', {}, current) : go('done')];
        break;
      }
      case 'judge':
        yield [name('judge'), go(state.isMet ? 'claim' : variant === 'armfirst' ? 'armEarly' : 'park')];
        break;
      case 'claim':
        yield [name('CLAIM'), go('done', become('held'))];
        break;
      case 'park': {
        const isOver = current !== read || variant === 'armfirst' || variant === 'noarm';
        yield [name('PARK'), go(isOver ? 'done' : 'arm', become('parked'))];
        break;
      }
      case 'armEarly':
        yield [name('ARM'), go('park', arm(state))];
        break;
      case 'arm':
        yield [name('ARM'), go('done', arm(state))];
        break;
      case 'done':
        break;
    }
  }

  function arm({ nextToken }: State): Partial<State> {
    return variant === 'flag' ? { armed: 1 } : { armed: nextToken, nextToken: nextToken + 1 };
  }

  function* wake(state: State, index: number): Iterable<Step<State>> {
    const waker = state.wakers[index]!;
    const { at, passes, token, found = [] } = waker;
    const name = (step: string) => `waker ${index}: ${step}`;
    const go = (next: Waker, changes: Partial<State> = {}): State => ({
      ...state,
      ...changes,
      wakers: replaced(state.wakers, index, next),
    });

    if (at === 'idle') {
      const isInOutbox = state.isMet && state.armed !== 0;
      const disarmed = variant === 'disarmfirst' ? { armed: 0 } : {};
      if (isInOutbox && passes > 0)
        yield [name('W1 read outbox'), go({ at: 'find', passes: passes - 1, token: state.armed }, disarmed)];
      return;
    }
    if (at === 'dead') return;

    yield [name('dies'), go({ at: 'dead', passes: 0 })];
    if (at === 'find') {
      const waits = [...state.tasks.keys()].filter((task) => waiting.includes(state.tasks[task]!));
      yield [name('W2 find waiting'), go({ ...waker, at: 'write', found: waits })];
    } else if (at === 'write') {
      yield* wakeNext(state, waker, go, name, found);
    } else {
      // By comparing: a mark that was set since W1 has watchers that W2 did not see.
      const isAsRead = state.isMet && state.armed === token;
      yield [name('W3 disarm'), go({ at: 'idle', passes }, isAsRead ? { armed: 0 } : {})];
    }
  }

  function* wakeNext(
    state: State,
    waker: Waker,
    go: (next: Waker, changes?: Partial<State>) => State,
    name: (step: string) => string,
    [task, ...others]: readonly number[],
  ): Iterable<Step<State>> {
    if (task === undefined) {
      // What was found is written; W2 looks again until nobody is found.
      const { found: _, ...looked } = waker;
      yield [name('W2 is through'), go({ ...looked, at: waker.found!.length > 0 ? 'find' : 'disarm' })];
      return;
    }
    const current = state.tasks[task]!;
    const woken: Task = current === 'settled' ? 'settledWoken' : 'queued';
    const changes = waiting.includes(current) ? { tasks: replaced(state.tasks, task, woken) } : {};
    const isTouched = variant === 'blindwake' && current === 'held';
    yield [name(`W2 wake T${task}`), go({ ...waker, found: others }, changes), isTouched ? HELD : undefined];
  }
}

function startOf({ tasks, writes }: { tasks: number; writes: number }): State {
  return {
    isMet: false,
    armed: 0,
    nextToken: 1,
    writes,
    tasks: Array.from({ length: tasks }, () => 'queued' as const),
    pops: Array.from({ length: POPS }, (_, index) => ({ at: 'start' as const, task: index % tasks })),
    wakers: Array.from({ length: WAKERS }, () => ({ at: 'idle' as const, passes: PASSES })),
  };
}

/** What a write past the queue makes of a task that waits or waited. */
const BY_HAND: { readonly [task in Task]?: Task } = { parked: 'settled', settled: 'parked', settledWoken: 'queued' };

function* othersWrite(state: State): Iterable<Step<State>> {
  const written = { ...state, writes: state.writes - 1 };
  yield [`somebody writes D: ${state.isMet ? 'unmet' : 'met'}`, { ...written, isMet: !state.isMet }];
  for (const [task, current] of state.tasks.entries()) {
    const to = BY_HAND[current];
    if (to) yield [`somebody writes T${task}: ${to}`, { ...written, tasks: replaced(state.tasks, task, to) }];
  }
}
