import { replaced, type Model, type Step } from './explore';

/**
 * Pushes of a key that stays taken for a time after each push. The unique index has live tasks, and settled ones as long as they have a window.
 * Who is refused looks at the task that has the key: it is theirs as well while it lives or its window is open; else its window is taken away,
 * if it is as it was read, and the insert made again.
 *
 * - `liveOnly`: the index has live tasks alone, and the window is looked at before the insert
 * - `blindly`: the window is taken away from whatever task has the key by then
 */
export type ThrottleVariant = 'right' | 'liveOnly' | 'blindly';

export const WINDOW = 'no two tasks of a key in one window';

interface Task {
  readonly isLive: boolean;
  readonly window: 'open' | 'past' | 'none';
}

interface Pusher {
  readonly at: 'read' | 'insert' | 'look' | 'free' | 'done';
  readonly pushes: number;
  readonly task: number;
}

interface State {
  readonly tasks: readonly Task[];
  readonly pushers: readonly Pusher[];
}

export function throttleModel(variant: ThrottleVariant, { pushers }: { pushers: readonly number[] }): Model<State> {
  return {
    start: { tasks: [], pushers: pushers.map((pushes) => ({ at: 'read' as const, pushes, task: -1 })) },
    steps,
    broken: ({ tasks }) => (tasks.filter(({ window }) => window === 'open').length > 1 ? WINDOW : undefined),
  };

  function* steps(state: State): Iterable<Step<State>> {
    for (const [index, task] of state.tasks.entries()) {
      const become = (to: Partial<Task>): State => ({
        ...state,
        tasks: replaced(state.tasks, index, { ...task, ...to }),
      });
      if (task.isLive) yield [`T${index} ends`, become({ isLive: false })];
      if (task.window === 'open') yield [`the window of T${index} ends`, become({ window: 'past' })];
    }
    for (const index of state.pushers.keys()) yield* push(state, index);
  }

  function* push(state: State, index: number): Iterable<Step<State>> {
    const { tasks } = state;
    const pusher = state.pushers[index]!;
    const name = (step: string) => `pusher ${index}: ${step}`;
    const go = (next: Partial<Pusher>, changed = tasks): State => ({
      tasks: changed,
      pushers: replaced(state.pushers, index, { ...pusher, ...next }),
    });
    const isInIndex = ({ isLive, window }: Task) => isLive || (window !== 'none' && variant !== 'liveOnly');
    const end: Partial<Pusher> =
      pusher.pushes > 1 ? { at: 'read', pushes: pusher.pushes - 1, task: -1 } : { at: 'done', task: -1 };

    switch (pusher.at) {
      case 'read': {
        const isKept = tasks.some(({ isLive, window }) => isLive || window === 'open');
        yield [name('reads'), go(isKept && variant === 'liveOnly' ? end : { at: 'insert' })];
        break;
      }
      case 'insert': {
        const isTaken = tasks.some(isInIndex);
        if (isTaken) yield [name('INSERT is refused'), go({ at: 'look' })];
        else yield [name('INSERT'), go(end, [...tasks, { isLive: true, window: 'open' }])];
        break;
      }
      case 'look': {
        const task = tasks.findIndex(isInIndex);
        const { isLive, window } = tasks[task] ?? { isLive: false, window: 'none' };
        if (task < 0) yield [name('finds nobody'), go({ at: 'insert' })];
        else if (isLive || window === 'open') yield [name('takes it for its own'), go(end)];
        else yield [name('finds it past'), go({ at: 'free', task })];
        break;
      }
      case 'free': {
        const task = variant === 'blindly' ? tasks.findIndex(isInIndex) : pusher.task;
        const isSame = task >= 0 && (variant === 'blindly' || (!tasks[task]!.isLive && tasks[task]!.window === 'past'));
        const freed = isSame
          ? replaced(tasks, task, { ...tasks[task]!, window: 'none' as const, isLive: false })
          : tasks;
        yield [name('takes the window away'), go({ at: 'insert', task: -1 }, freed), brokenBy(tasks[task], isSame)];
        break;
      }
      case 'done':
        break;
    }
  }

  function brokenBy(task: Task | undefined, isSame: boolean): string | undefined {
    return isSame && task?.window === 'open' ? WINDOW : undefined;
  }
}
