import { replaced, type Model, type Step } from './explore';

/**
 * Tasks that wait for different conditions of one dependency D: some that it is FINISHED, some that it is FAILED. Anybody changes D to
 * and fro. Each condition has a mark and a waker of its own; a pass wakes one task at the most and leaves the mark when it may not go on,
 * as a pass does that is out of its budget. Processes that die are in the model of one condition.
 *
 * - `byDocument`: `waitingOn` names the document alone, so that the waker of one condition wakes the tasks of the others, which are parked
 *   again and found again by the next pass, for ever
 * - `oneMark`: the mark names the document alone, so that the waker of one condition disarms what the others wait for
 */
export type ConditionsVariant = 'right' | 'byDocument' | 'oneMark';

export const ARMED = 'quiescent: what a parked task waits for is armed';
export const PARKED = 'a task is parked once, and once more for each change that concerns what it waits for';

type Condition = 'FINISHED' | 'FAILED';

interface Task {
  readonly waitsFor: Condition;
  readonly is: 'queued' | 'parked' | 'held';
  /** How often it may yet be parked: once, and once more for each time that its condition became true or ceased to be. */
  readonly mayPark: number;
}

interface Pop {
  readonly at: 'start' | 'judge' | 'claim' | 'park' | 'arm';
  readonly task: number;
}

interface Waker {
  readonly at: 'idle' | 'find' | 'wake' | 'disarm';
  readonly condition: Condition;
  readonly token: number;
  readonly task: number;
}

interface State {
  readonly dependency: 'RUNNING' | Condition;
  /** Changes of D that are left. */
  readonly changes: number;
  /** The token of each mark on D, 0 without one. */
  readonly armed: { readonly [mark in Condition]: number };
  readonly nextToken: number;
  readonly tasks: readonly Task[];
  readonly pops: readonly Pop[];
  readonly wakers: readonly Waker[];
}

export interface ConditionsSize {
  readonly tasks: readonly Condition[];
  readonly changes: number;
  readonly pops: number;
  /** Passes that may be under way at once, for each condition. */
  readonly wakers: number;
}

export function conditionsModel(variant: ConditionsVariant, size: ConditionsSize): Model<State> {
  const idle: Pop = { at: 'start', task: 0 };
  const markOf = (condition: Condition): Condition => (variant === 'oneMark' ? 'FINISHED' : condition);

  return { start: startOf(size), steps, broken };

  function* steps(state: State): Iterable<Step<State>> {
    if (state.changes > 0)
      for (const to of ['RUNNING', 'FINISHED', 'FAILED'] as const)
        if (to !== state.dependency) yield [`D becomes ${to}`, changed(state, to)];
    for (const index of state.pops.keys()) yield* pop(state, index);
    for (const index of state.wakers.keys()) yield* wake(state, index);
  }

  function broken({ armed, tasks, pops, wakers }: State): string | undefined {
    // Whoever else pops or wakes at the same moment may act upon what it read before, once.
    const others = size.pops + size.wakers - 2;
    if (tasks.some(({ mayPark }) => mayPark < -others)) return PARKED;
    const isQuiescent = pops.every(({ at }) => at === 'start') && wakers.every(({ at }) => at === 'idle');
    const isForgotten = ({ is, waitsFor }: Task) => is === 'parked' && armed[markOf(waitsFor)] === 0;

    return isQuiescent && tasks.some(isForgotten) ? ARMED : undefined;
  }

  function* pop(state: State, index: number): Iterable<Step<State>> {
    const { at, task: number } = state.pops[index]!;
    const task = state.tasks[number]!;
    const name = (step: string) => `pop ${index} of T${number} (${task.waitsFor}): ${step}`;
    const go = (next: Pop, changes: Partial<State> = {}): State => ({
      ...state,
      ...changes,
      pops: replaced(state.pops, index, next),
    });
    // The filter of CLAIM and PARK: the task as it was read.
    const become = (is: Task['is'], mayPark = task.mayPark) =>
      task.is === 'queued' ? { tasks: replaced(state.tasks, number, { ...task, is, mayPark }) } : {};

    switch (at) {
      case 'start':
        for (const [candidate, { is, waitsFor }] of state.tasks.entries())
          if (is === 'queued')
            yield [`pop ${index} of T${candidate} (${waitsFor}): read`, go({ at: 'judge', task: candidate })];
        break;
      case 'judge':
        yield [name('judge'), go({ at: state.dependency === task.waitsFor ? 'claim' : 'park', task: number })];
        break;
      case 'claim':
        yield [name('CLAIM'), go(idle, become('held'))];
        break;
      case 'park':
        yield [
          name('PARK'),
          go(task.is === 'queued' ? { at: 'arm', task: number } : idle, become('parked', task.mayPark - 1)),
        ];
        break;
      case 'arm': {
        const armed = { ...state.armed, [markOf(task.waitsFor)]: state.nextToken };
        yield [name('ARM'), go(idle, { armed, nextToken: state.nextToken + 1 })];
        break;
      }
    }
  }

  function* wake(state: State, index: number): Iterable<Step<State>> {
    const waker = state.wakers[index]!;
    const { at, condition, token, task } = waker;
    const mark = markOf(condition);
    const name = (step: string) => `waker ${index} of ${condition}: ${step}`;
    const go = (next: Partial<Waker>, changes: Partial<State> = {}): State => ({
      ...state,
      ...changes,
      wakers: replaced(state.wakers, index, { ...waker, ...next }),
    });
    const waits = ({ is, waitsFor }: Task) => is === 'parked' && (variant === 'byDocument' || waitsFor === condition);

    switch (at) {
      case 'idle':
        if (state.dependency === condition && state.armed[mark] !== 0)
          yield [name('W1 read outbox'), go({ at: 'find', token: state.armed[mark] })];
        break;
      case 'find': {
        const found = [...state.tasks.keys()].filter((number) => waits(state.tasks[number]!));
        if (found.length === 0) yield [name('W2 finds nobody'), go({ at: 'disarm' })];
        for (const number of found) yield [name(`W2 finds T${number}`), go({ at: 'wake', task: number })];
        break;
      }
      case 'wake': {
        const found = state.tasks[task]!;
        const woken = waits(found) ? { tasks: replaced(state.tasks, task, { ...found, is: 'queued' as const }) } : {};
        yield [name(`W2 wake T${task}`), go({ at: 'idle', token: 0, task: 0 }, woken)];
        break;
      }
      case 'disarm': {
        const isAsRead = state.armed[mark] === token;
        yield [
          name('W3 disarm'),
          go({ at: 'idle', token: 0 }, isAsRead ? { armed: { ...state.armed, [mark]: 0 } } : {}),
        ];
        break;
      }
    }
  }
}

function startOf({ tasks, changes, pops, wakers }: ConditionsSize): State {
  const passes = Array.from({ length: wakers }, () => 0);

  return {
    dependency: 'RUNNING',
    changes,
    armed: { FINISHED: 0, FAILED: 0 },
    nextToken: 1,
    tasks: tasks.map((waitsFor) => ({ waitsFor, is: 'queued', mayPark: 1 })),
    pops: Array.from({ length: pops }, () => ({ at: 'start', task: 0 })),
    wakers: (['FINISHED', 'FAILED'] as const).flatMap((condition) =>
      passes.map(() => ({ at: 'idle' as const, condition, token: 0, task: 0 })),
    ),
  };
}

function changed(state: State, dependency: State['dependency']): State {
  const concerns = ({ waitsFor }: Task) => waitsFor === dependency || waitsFor === state.dependency;
  const allowed = (task: Task) => (concerns(task) ? { ...task, mayPark: task.mayPark + 1 } : task);

  return { ...state, dependency, changes: state.changes - 1, tasks: state.tasks.map(allowed) };
}
