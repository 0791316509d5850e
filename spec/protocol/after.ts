import { replaced, type Model, type Step } from './explore';

/**
 * Tasks of one key, by a unique index of live tasks and nothing else. Of these the FRONT one has the key. A push over one that
 * runs first moves it ASIDE, to another key that is made of this one, under a fresh id; then it inserts its successor as the front one, behind that
 * id. Who claims a successor looks whether the one aside still lives: then it goes back, else its id is taken off, and what that write returns is
 * handed out. Who ended one aside, and who inserted a successor, take the id off sooner. A front one that has not begun is replaced in place.
 * `supersede` moves one aside that waits as well, and cancels it once its successor is there. Any process may die between its steps.
 *
 * What is stored apart from the look at its key is put behind a name that nobody knows. Then its pusher gives it the name of the one aside, or
 * lets it go; who claims it meanwhile gives it that name, too.
 *
 * - `replaceBlind`: a replacement does not look whether the task has begun
 * - `staleInput`: a successor runs as it was claimed, and not as it was when its id was taken off
 * - `keepFront`: a push with `keep`, or the first of a key, looks at the front alone, and inserts a task beside one aside
 * - `insertStale`: the insert of a successor does not look whether another than it is behind was moved aside since
 * - `insertFree`: a successor is inserted without an id to wait for
 * - `endsFirst`: `supersede` cancels before the successor is there, and dies
 * - `releaseAny`: who ended one aside lets go whatever is behind by now
 * - `noLook`: who claims a successor does not look
 * - `unplaced`: who stored a successor under a name of its own looks for that name alone, and a claim has given it another
 * - `unscheduled`: one that recurs loses its schedule when it is moved aside, and its pusher dies
 */
export type AfterVariant =
  | 'right'
  | 'replaceBlind'
  | 'staleInput'
  | 'keepFront'
  | 'insertStale'
  | 'insertFree'
  | 'endsFirst'
  | 'releaseAny'
  | 'noLook'
  | 'unplaced'
  | 'unscheduled';

export const BESIDE = 'no two tasks of a key run at a time';
export const LOST = 'what was said last is run, or will be';
export const ORDER = 'nothing is run after what was said later';
export const WAITS = 'once all is quiet, nobody waits for a task that has ended';
export const RECURS = 'what recurs goes on';

interface Task {
  readonly state: 'created' | 'running' | 'over' | 'ended';
  readonly slot: 'front' | 'aside';
  /** Its id while it is aside, and the id that it is behind; 0 for none. */
  readonly aside: number;
  readonly behind: number;
  readonly holder: number;
  readonly hasBegun: boolean;
  /** The number of the push whose input it has. */
  readonly input: number;
  readonly recurs: boolean;
  readonly isCancelled: boolean;
}

export type Mode = 'keep' | 'after' | 'supersede';

interface Pusher {
  readonly mode: Mode;
  readonly at: 'read' | 'replace' | 'aside' | 'insert' | 'store' | 'cancel' | 'place' | 'rename' | 'look' | 'done';
  readonly task: number;
  readonly id: number;
  /** The name that nobody knows; 0 for none. */
  readonly own: number;
}

interface Worker {
  readonly at: 'idle' | 'claimed' | 'waits' | 'free' | 'works' | 'look' | 'release';
  readonly task: number;
  readonly input: number;
  readonly id: number;
}

interface State {
  readonly tasks: readonly Task[];
  readonly pushers: readonly Pusher[];
  readonly workers: readonly Worker[];
  readonly claims: number;
  readonly deaths: number;
  readonly nextId: number;
  readonly said: number;
  readonly ran: number;
}

export interface AfterSize {
  readonly modes: readonly Mode[];
  readonly workers: number;
  readonly claims: number;
  readonly deaths: number;
  readonly recurs?: boolean;
  /** Whether pushers store apart from the look at the key. */
  readonly isApart?: boolean;
}

const IDLE: Worker = { at: 'idle', task: 0, input: 0, id: 0 };
const ENDED = { state: 'ended', slot: 'front', behind: 0, holder: -1 } as const;
const PUT_BACK = { state: 'created', holder: -1 } as const;

export function afterModel(variant: AfterVariant, size: AfterSize): Model<State> {
  return { start: startOf(size), steps, broken };

  function* steps(state: State): Iterable<Step<State>> {
    for (const [index, task] of state.tasks.entries()) {
      if (task.state === 'running') yield [`the lease of T${index} ends`, change(state, index, { state: 'over' })];
    }
    for (const index of state.pushers.keys()) yield* push(state, index);
    for (const index of state.workers.keys()) yield* work(state, index);
  }

  function broken(state: State): string | undefined {
    const { tasks, said, ran } = state;
    if (tasks.filter(({ state, hasBegun }) => hasBegun && state === 'running').length > 1) return BESIDE;
    if (size.recurs && !tasks.some((task) => isLive(task) && task.recurs)) return RECURS;

    if (ran !== said && !tasks.some((task) => isLive(task) && task.input === said)) return LOST;
    return isQuiet(state) && tasks.some((task) => isWaiting(task) && !isAlive(tasks, task.behind)) ? WAITS : undefined;
  }

  // After a death it waits for the end of a lease.
  function isQuiet({ pushers, workers, deaths }: State): boolean {
    return (
      deaths === size.deaths && pushers.every(({ at }) => at === 'done') && workers.every(({ at }) => at === 'idle')
    );
  }

  function* push(state: State, index: number): Iterable<Step<State>> {
    const { tasks, nextId, said } = state;
    const pusher = state.pushers[index]!;
    const { at, mode, task, id, own } = pusher;
    const name = (step: string) => `${mode} ${index}: ${step}`;
    const go = (next: Partial<Pusher>, changed = state): State => ({
      ...changed,
      pushers: replaced(state.pushers, index, { ...pusher, ...next }),
    });
    const again = { at: 'read' as const };
    if (at !== 'read' && at !== 'done' && state.deaths > 0)
      yield [name('dies'), go({ at: 'done' }, { ...state, deaths: state.deaths - 1 })];

    switch (at) {
      case 'read':
        yield [name('reads'), go(found(tasks, mode, variant))];
        break;
      case 'replace': {
        const is = tasks[task]!;
        const hasNotBegun = isLive(is) && is.slot === 'front' && (is.state === 'created' || is.behind > 0);
        if (hasNotBegun || (variant === 'replaceBlind' && isLive(is)))
          yield [
            name(`replaces T${task}`),
            go({ at: 'done' }, { ...change(state, task, { input: said + 1 }), said: said + 1 }),
          ];
        else yield [name(`finds T${task} begun`), go(again)];
        break;
      }
      case 'aside': {
        const is = tasks[task]!;
        const isFront = isLive(is) && is.slot === 'front' && is.behind === 0;
        if (!isFront || asideIn(tasks) >= 0 || (mode === 'after' && is.state === 'created'))
          yield [name('begins anew'), go(again)];
        else {
          const moved = { slot: 'aside', aside: nextId, recurs: is.recurs && variant !== 'unscheduled' } as const;
          const next = mode === 'supersede' && variant === 'endsFirst' ? 'cancel' : 'insert';
          yield [
            name(`moves T${task} aside`),
            go({ at: next, id: nextId }, { ...change(state, task, moved), nextId: nextId + 1 }),
          ];
        }
        break;
      }
      case 'insert': {
        const aside = tasks[asideIn(tasks)]?.aside ?? id;
        const isAnother = aside !== id && variant !== 'keepFront' && (id === 0 || variant !== 'insertStale');
        const isTaken = frontIn(tasks) >= 0 || isAnother;
        if (isTaken) yield [name('INSERT is refused'), go(again)];
        else if (size.isApart) yield [name('may INSERT'), go({ at: 'store' })];
        else {
          const behind = variant === 'insertFree' ? 0 : id;
          const next = id === 0 ? 'done' : mode === 'supersede' && variant !== 'endsFirst' ? 'cancel' : 'look';
          yield [name(`INSERT T${tasks.length}`), go({ at: next }, stored(state, { behind, recurs: id > 0 }))];
        }
        break;
      }
      case 'store': {
        if (frontIn(tasks) >= 0) yield [name('INSERT is refused'), go(again)];
        else {
          const next = id > 0 && mode === 'supersede' ? 'cancel' : 'place';
          const changed = stored({ ...state, nextId: nextId + 1 }, { behind: nextId, recurs: id > 0 });
          yield [name(`INSERT T${tasks.length} apart`), go({ at: next, own: nextId }, changed)];
        }
        break;
      }
      case 'cancel': {
        const after = own > 0 ? ('place' as const) : ('look' as const);
        const next = { at: variant === 'endsFirst' ? ('insert' as const) : after };
        const aside = tasks.findIndex((one) => isLive(one) && one.aside === id);
        const ended: Partial<Task> = aside >= 0 && tasks[aside]!.state === 'running' ? { isCancelled: true } : ENDED;
        yield [name('CANCEL'), go(next, aside < 0 ? state : change(state, aside, ended))];
        break;
      }
      case 'place': {
        const aside = tasks[asideIn(tasks)]?.aside ?? 0;
        const names = variant === 'unplaced' || id === 0 ? [own] : [own, id];
        if (aside > 0) yield [name(`finds ${aside} aside`), go({ at: 'rename', id: aside })];
        else yield [name('finds nobody aside'), go({ at: 'done' }, released(state, ...names))];
        break;
      }
      case 'rename': {
        const index = tasks.findIndex((one) => isWaiting(one) && one.behind === own);
        const renamed = index < 0 ? state : change(state, index, { behind: id });
        yield [name(`puts it behind ${id}`), go({ at: 'look' }, renamed)];
        break;
      }
      case 'look':
        yield [name('looks'), go({ at: 'done' }, isAlive(tasks, id) ? state : released(state, id))];
        break;
      case 'done':
        break;
    }
  }

  function stored(state: State, { behind, recurs }: Pick<Task, 'behind' | 'recurs'>): State {
    const { tasks, said } = state;
    const task: Task = { ...NEW, behind, input: said + 1, recurs: recurs && size.recurs === true };

    return { ...state, tasks: [...tasks, task], said: said + 1 };
  }

  function released(state: State, ...ids: readonly number[]): State {
    const isNext = (task: Task) => isWaiting(task) && (ids.includes(task.behind) || variant === 'releaseAny');
    const index = state.tasks.findIndex(isNext);

    return index < 0 ? state : change(state, index, { behind: 0 });
  }

  function* work(state: State, index: number): Iterable<Step<State>> {
    const { tasks } = state;
    const worker = state.workers[index]!;
    const { at, task: of, id } = worker;
    const task = tasks[of]!;
    const name = (step: string) => `worker ${index}: ${step}`;
    const go = (next: Worker, changed = state): State => ({
      ...changed,
      workers: replaced(state.workers, index, next),
    });
    if (at === 'idle') {
      for (const [one, { state: is, input }] of tasks.entries())
        if (state.claims > 0 && (is === 'created' || is === 'over')) {
          const claimed = change(state, one, { state: 'running', holder: index });
          yield [
            name(`CLAIM T${one}`),
            go({ ...IDLE, at: 'claimed', task: one, input }, { ...claimed, claims: state.claims - 1 }),
          ];
        }
      return;
    }
    if (state.deaths > 0) yield [name('dies'), go(IDLE, { ...state, deaths: state.deaths - 1 })];
    if (at === 'look') {
      yield [name('looks once more'), go(IDLE, isAlive(tasks, id) ? state : released(state, id))];
      return;
    }
    if (at === 'release') {
      yield [name(`lets go who is behind ${id}`), go(IDLE, released(state, id))];
      return;
    }
    if (!isLive(task) || task.holder !== index) {
      yield [name('is refused'), go(IDLE)];
      return;
    }

    const ending: Worker = task.aside > 0 ? { ...IDLE, at: 'release', id: task.aside } : IDLE;
    if (at === 'claimed' && task.isCancelled) yield [name('ends it'), go(ending, change(state, of, ENDED))];
    else if (at === 'claimed' && task.behind > 0 && variant !== 'noLook') {
      const aside = tasks[asideIn(tasks)]?.aside ?? 0;
      if (aside > 0) yield [name(`finds ${aside} aside`), go({ ...worker, at: 'waits', id: aside })];
      else yield [name('looks, and finds nobody'), go({ ...worker, at: 'free' })];
    } else if (at === 'waits')
      yield [
        name(`puts it back behind ${id}`),
        go({ ...IDLE, at: 'look', id }, change(state, of, { ...PUT_BACK, behind: id })),
      ];
    else if (at === 'claimed' || at === 'free') {
      const input = variant === 'staleInput' ? worker.input : task.input;
      const begun = go({ ...worker, at: 'works', input }, change(state, of, { behind: 0, hasBegun: true }));
      yield [name(`hands out T${of}`), begun, input < state.ran ? ORDER : undefined];
    } else {
      yield [name(`FINISH T${of}`), go(ending, { ...change(state, of, endOf(tasks, task)), ran: worker.input })];
      yield [
        name(`RETRY T${of}`),
        go(task.isCancelled ? ending : IDLE, change(state, of, task.isCancelled ? ENDED : PUT_BACK)),
      ];
    }
  }
}

/** One that recurs is due again, as the front one, unless its successor recurs in its place. */
function endOf(tasks: readonly Task[], task: Task): Partial<Task> {
  const isReplaced = task.slot === 'aside' && frontIn(tasks) >= 0;
  if (!task.recurs || isReplaced) return ENDED;

  return { ...PUT_BACK, slot: 'front', aside: 0, hasBegun: false };
}

/** What a pusher does next by what it has read. */
function found(tasks: readonly Task[], mode: Mode, variant: AfterVariant): Partial<Pusher> {
  const front = frontIn(tasks);
  const aside = variant === 'keepFront' ? -1 : asideIn(tasks);
  if (mode === 'keep' && (front >= 0 || aside >= 0)) return { at: 'done' };
  if (front < 0) return { at: 'insert', id: aside < 0 ? 0 : tasks[aside]!.aside };

  const { state, behind } = tasks[front]!;
  const isToBeReplaced = behind > 0 || (mode === 'after' && state === 'created');
  return { at: isToBeReplaced ? 'replace' : 'aside', task: front };
}

const NEW = {
  state: 'created',
  slot: 'front',
  aside: 0,
  behind: 0,
  holder: -1,
  hasBegun: false,
  isCancelled: false,
} as const;

function startOf({ modes, workers, claims, deaths, recurs = false }: AfterSize): State {
  const first: Task = { ...NEW, input: 1, recurs };

  return {
    tasks: [first],
    pushers: modes.map((mode) => ({ mode, at: 'read' as const, task: 0, id: 0, own: 0 })),
    workers: Array.from({ length: workers }, () => IDLE),
    claims,
    deaths,
    nextId: 1,
    said: 1,
    ran: 0,
  };
}

function change(state: State, index: number, to: Partial<Task>): State {
  return { ...state, tasks: replaced(state.tasks, index, { ...state.tasks[index]!, ...to }) };
}

function isLive({ state }: Task): boolean {
  return state !== 'ended';
}

/** Whether it waits for another, and nobody looks at it. */
function isWaiting({ slot, state, behind }: Task): boolean {
  return slot === 'front' && state === 'created' && behind > 0;
}

function frontIn(tasks: readonly Task[]): number {
  return tasks.findIndex((task) => isLive(task) && task.slot === 'front');
}

function asideIn(tasks: readonly Task[]): number {
  return tasks.findIndex((task) => isLive(task) && task.slot === 'aside');
}

function isAlive(tasks: readonly Task[], id: number): boolean {
  return tasks.some((task) => isLive(task) && task.aside === id);
}
