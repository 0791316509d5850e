import { replaced, type Model, type Step } from './explore';

/**
 * CANCEL of one task against everything else that is done with it. A canceller reads the task, then writes where state and token are
 * as read: one that nobody holds, or whose lease is over, is CANCELLED at once and gets a fresh token; of a held one the lease is cut and a request
 * is left, its schedule taken away. The request is open until the task is settled; one that is older than the last settle is void, as
 * after a put back by hand. The answer may be lost, and the write may be carried out when its canceller has long given it up.
 *
 * A holder renews and puts back only where no request is. Found by a put back, or by who takes the task over, an open one
 * makes it CANCELLED; a void one is removed before the task is handed out. `retry` stands for all that puts a task back.
 *
 * - `renews`: a renewal does not look for a request, and outlives the cut
 * - `reruns`: who takes the task over does not look for one, and hands the task out
 * - `requeues`: a put back does not look for one
 * - `parks`: a pop judges a task with a request by what it waits for, and parks it
 * - `overwrites`: the cancel does not look at the state
 * - `byIdAlone`: it compares nothing with what was read: one that is late cancels what was pushed anew
 * - `tokenAlone`: it does not compare the state: a task that was put back by hand bears the token of the run before
 * - `bareToken`: a push of a settled task takes its token away, so that it looks as if never claimed
 * - `asksAgain`: a canceller whose answer was lost begins anew whatever the task has become
 * - `voidAsOpen`: a void request counts
 * - `keepsSchedule`: a request leaves the schedule, so that the end of the run is due again
 * - `reschedules`: a push gives a task that is being cancelled its schedule again
 * - `failedOnly`: to those who wait for it, CANCELLED is no failure
 */
export type CancelVariant =
  | 'right'
  | 'renews'
  | 'reruns'
  | 'requeues'
  | 'parks'
  | 'overwrites'
  | 'byIdAlone'
  | 'tokenAlone'
  | 'bareToken'
  | 'asksAgain'
  | 'voidAsOpen'
  | 'keepsSchedule'
  | 'reschedules'
  | 'failedOnly';

export const OUTCOME = 'a task has one outcome until it is pushed anew';
export const AGAIN = 'no task is handed out whose cancel came before its claim';
export const CUT = 'no renewal outlives the cut';
export const PUT_BACK = 'a task with an open request is held';
export const NEXT = 'a cancel concerns the push that it was asked for';
export const UNASKED = 'no task is cancelled unasked';
export const TOLD = 'who waits for a cancelled task hears of it';

interface Task {
  readonly state: 'created' | 'running' | 'finished' | 'cancelled';
  readonly token: number;
  readonly request: 'none' | 'open' | 'void';
  readonly lease: 'none' | 'long' | 'cut' | 'over';
  readonly recurs: boolean;
  /** How often it was pushed, and whether a cancel was written since. Nobody looks at these but the properties. */
  readonly push: number;
  readonly isAsked: boolean;
}

interface Canceller {
  readonly at: 'start' | 'write' | 'unsure' | 'again' | 'done';
  /** The task as it was read, and the push that the cancel is meant for. */
  readonly read: Pick<Task, 'state' | 'token' | 'push'> | null;
  /** Whether a write that was given up may yet be carried out. */
  readonly isLate: boolean;
}

interface Worker {
  readonly at: 'idle' | 'claimed' | 'works' | 'unsure';
  readonly token: number;
  /** The request that was found by the claim, and whether a cancel had come before. */
  readonly found: Task['request'];
  readonly wasAsked: boolean;
  /** Whether the task recurs, as far as its holder knows. */
  readonly recurs: boolean;
}

interface State {
  readonly task: Task;
  readonly nextToken: number;
  readonly claims: number;
  readonly others: readonly Other[];
  readonly cancellers: readonly Canceller[];
  readonly workers: readonly Worker[];
}

/** What others do, once each: push a settled task anew, put it back by hand, push its schedule again, park it. */
export type Other = 'push' | 'byHand' | 'schedule' | 'park';

export interface CancelSize {
  readonly cancellers: number;
  readonly workers: number;
  readonly claims: number;
  readonly recurs: boolean;
  readonly others: readonly Other[];
}

const IDLE: Worker = { at: 'idle', token: 0, found: 'none', wasAsked: false, recurs: false };

export function cancelModel(variant: CancelVariant, size: CancelSize): Model<State> {
  /** The ends that wake who waits for the task: how that is done is in `wake.ts`. */
  const news: readonly Task['state'][] = variant === 'failedOnly' ? ['finished'] : ['finished', 'cancelled'];

  return { start: startOf(size), steps, broken };

  function* steps(state: State): Iterable<Step<State>> {
    const { task } = state;
    if (task.state === 'running' && task.lease !== 'over')
      yield ['the lease ends', { ...state, task: { ...task, lease: 'over' } }];
    for (const index of state.cancellers.keys()) yield* cancel(state, index);
    for (const index of state.workers.keys()) yield* work(state, index);
    for (const other of state.others) yield* otherwise(state, other);
  }

  function broken({ task }: State): string | undefined {
    if (task.request === 'open' && task.state === 'created') return PUT_BACK;

    return isLive(task) || news.includes(task.state) ? undefined : TOLD;
  }

  function* cancel(state: State, index: number): Iterable<Step<State>> {
    const { task } = state;
    const canceller = state.cancellers[index]!;
    const { at, read, isLate } = canceller;
    const name = (step: string) => `canceller ${index}: ${step}`;
    const go = (next: Partial<Canceller>, changed = state): State => ({
      ...changed,
      cancellers: replaced(state.cancellers, index, tidied({ ...canceller, ...next })),
    });
    const [cancelled, breach] = written(state, read);

    if (isLate) yield [name('the earlier CANCEL is carried out'), go({ isLate: false }, cancelled), breach];
    switch (at) {
      case 'start': {
        const asRead = { state: task.state, token: task.token, push: read?.push ?? task.push };
        const isOver = !isLive(task) && variant !== 'overwrites';
        yield [name('reads'), isOver ? go({ at: 'done' }) : go({ at: 'write', read: asRead })];
        break;
      }
      case 'write':
      case 'again': {
        // Not written for certain: it begins anew. Who has lost an answer before may have cancelled what has been pushed anew since.
        const isToBeginAnew = cancelled === state && isLive(task) && at === 'write';
        yield [name('CANCEL'), go(isToBeginAnew ? { at: 'start', read: null } : { at: 'done' }, cancelled), breach];
        yield [name('CANCEL, its answer is lost'), go({ at: 'unsure' }, cancelled), breach];
        yield [name('CANCEL, the connection breaks before'), go({ at: 'unsure', isLate: true })];
        break;
      }
      case 'unsure':
        if (task.state === 'cancelled' || task.request === 'open')
          yield [name('finds it cancelled'), go({ at: 'done' })];
        else if (isAsRead(task, read!)) yield [name('asks again'), go({ at: 'again' })];
        else yield [name('cannot know'), go({ at: variant === 'asksAgain' ? 'start' : 'done' })];
        break;
      case 'done':
        break;
    }
  }

  function written(state: State, read: Canceller['read']): [State, string | undefined] {
    const { task, nextToken } = state;
    const isSame = read !== null && isAsRead(task, read) && (isLive(task) || variant === 'overwrites');
    if (!isSame) return [state, undefined];

    const breach = !isLive(task) ? OUTCOME : read.push === task.push ? undefined : NEXT;
    const recurs = task.recurs && variant === 'keepsSchedule';
    if (task.state === 'running' && task.lease !== 'over')
      return [{ ...state, task: { ...task, request: 'open', lease: 'cut', recurs, isAsked: true } }, breach];

    const over = {
      state: 'cancelled',
      token: nextToken,
      request: 'void',
      lease: 'none',
      recurs,
      isAsked: true,
    } as const;
    return [{ ...state, nextToken: nextToken + 1, task: { ...task, ...over } }, breach];
  }

  function isAsRead(task: Task, read: Pick<Task, 'state' | 'token'>): boolean {
    if (variant === 'byIdAlone') return isLive(task);
    const isSameState = task.state === read.state || variant === 'tokenAlone' || variant === 'overwrites';

    return isSameState && task.token === read.token;
  }

  function* work(state: State, index: number): Iterable<Step<State>> {
    const { task } = state;
    const worker = state.workers[index]!;
    const name = (step: string) => `worker ${index}: ${step}`;
    const go = (next: Worker, changes: Partial<Task> = {}): State => ({
      ...state,
      task: { ...task, ...changes },
      workers: replaced(state.workers, index, next),
    });
    const holds = task.state === 'running' && task.token === worker.token;
    if (worker.at === 'idle') {
      if (state.claims > 0 && isClaimable(task)) yield [name('CLAIM'), claimed(state, index)];
      return;
    }
    yield [name('dies'), go(IDLE)];

    if (worker.at === 'claimed') {
      const { found, wasAsked } = worker;
      const isEnded = found === 'open' || (found === 'void' && variant === 'voidAsOpen');
      if (isEnded && variant !== 'reruns')
        yield [name('ends it'), go(IDLE, holds ? CANCELLED : {}), holds && !task.isAsked ? UNASKED : undefined];
      else {
        const cleaned: Partial<Task> = holds && found === 'void' && task.request === 'void' ? { request: 'none' } : {};
        yield [
          name('hands it out'),
          go({ ...worker, at: 'works', found: 'none' }, cleaned),
          wasAsked ? AGAIN : undefined,
        ];
      }
      return;
    }

    const isOwn = !isLive(task) && task.token === worker.token;
    if (!holds) yield [name(isOwn ? 'finds its own end' : 'is refused'), go(IDLE)];
    else if (task.recurs !== worker.recurs && variant !== 'keepsSchedule')
      yield [name('reads the schedule'), go({ ...worker, recurs: task.recurs })];
    else {
      const end: Partial<Task> = worker.recurs
        ? { state: 'created', lease: 'none' }
        : { state: 'finished', lease: 'none', request: settled(task) };
      yield [name('FINISH'), go(IDLE, end)];
      yield [name('FINISH, its answer is lost'), go({ ...worker, at: 'unsure' }, end)];
    }
    if (!holds || worker.at === 'unsure') return;

    const isFree = task.request === 'none';
    const back: Partial<Task> = isFree || variant === 'requeues' ? { state: 'created', lease: 'none' } : CANCELLED;
    yield [name('RETRY'), go(IDLE, back)];
    if (isFree || variant === 'renews') yield [name('RENEW'), go(worker, { lease: 'long' }), isFree ? undefined : CUT];
  }

  function* otherwise(state: State, other: Other): Iterable<Step<State>> {
    const { task, nextToken } = state;
    const others = state.others.filter((one) => one !== other);
    const anew = { state: 'created', lease: 'none', isAsked: false, push: task.push + 1 } as const;
    const isBeingCancelled = task.request === 'open';
    if (other === 'push' && !isLive(task)) {
      const token = variant === 'bareToken' ? 0 : nextToken;
      yield [
        'it is pushed anew',
        { ...state, others, nextToken: nextToken + 1, task: { ...task, ...anew, token, request: 'none' } },
      ];
    } else if (other === 'byHand' && !isLive(task))
      yield ['it is put back by hand', { ...state, others, task: { ...task, ...anew } }];
    else if (other === 'schedule' && isLive(task) && (!isBeingCancelled || variant === 'reschedules'))
      yield ['its schedule is pushed', { ...state, others, task: { ...task, recurs: true } }];
    else if (other === 'park' && isClaimable(task) && (!isBeingCancelled || variant === 'parks'))
      yield ['a pop parks it', { ...state, others, task: { ...task, state: 'created', lease: 'none' } }];
  }
}

const CANCELLED = { state: 'cancelled', request: 'void', lease: 'none', recurs: false } as const;

function startOf({ cancellers, workers, claims, recurs, others }: CancelSize): State {
  return {
    task: { state: 'created', token: 0, request: 'none', lease: 'none', recurs, push: 1, isAsked: false },
    nextToken: 1,
    claims,
    others,
    cancellers: Array.from({ length: cancellers }, () => ({ at: 'start' as const, read: null, isLate: false })),
    workers: Array.from({ length: workers }, () => IDLE),
  };
}

function claimed(state: State, index: number): State {
  const { task, nextToken: token } = state;
  const { request: found, isAsked: wasAsked, recurs } = task;

  return {
    ...state,
    claims: state.claims - 1,
    nextToken: token + 1,
    task: { ...task, state: 'running', token, lease: 'long' },
    workers: replaced(state.workers, index, { at: 'claimed', token, found, wasAsked, recurs }),
  };
}

/** A request is void once the task was settled after it. */
function settled({ request }: Task): Task['request'] {
  return request === 'open' ? 'void' : request;
}

function isLive({ state }: Task): boolean {
  return state === 'created' || state === 'running';
}

function isClaimable({ state, lease }: Task): boolean {
  return state === 'created' || (state === 'running' && lease === 'over');
}

/** Without what it needs no more: states that differ in nothing else are one. */
function tidied(canceller: Canceller): Canceller {
  return canceller.at === 'done' && !canceller.isLate ? { ...canceller, read: null } : canceller;
}
