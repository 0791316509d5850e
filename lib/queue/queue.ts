import { MAX_TIMER_MS, refuseUnknown, requireBoolean, requireFunction, requireInteger, wrongValue } from '../check';
import type { AnyDocument, AnyModel } from '../definition';
import { Idle } from './idle';
import { checkPopOptions, pop, type PopOptions } from '../claim/pop';
import { indexesReady } from '../prepare';
import { keepLease } from './renewal';
import { release } from '../settle/settle';

export interface QueueOptions extends PopOptions {
  /** How long an idle queue waits between two looks, in milliseconds; the actual wait varies by a fifth. Default: 1 000. */
  pollMs?: number | undefined;

  /**
   * Whether an idle queue has the server tell of new tasks by a change stream, where the server has them (a replica set): one
   * stream per process and database, shared by all who are idle. Default: `true`.
   */
  changeStreams?: boolean | undefined;

  /** Ends the queue, also while it waits. A task that is claimed at that moment is released. Default: none. */
  signal?: AbortSignal | undefined;

  /**
   * Called with what went wrong while the queue goes on: a connection that is lost, a lease that could not be renewed.
   * Default: the model's `error` listeners, or a process warning when there is none.
   */
  onError?: ((error: unknown) => void) | undefined;
}

const KNOWN = ['category', 'populate', 'pollMs', 'changeStreams', 'signal', 'onError'];

/** An endless iterator over ready tasks. See `TaskStatics.queue`. */
export function queue(model: AnyModel, options: QueueOptions = {}): AsyncGenerator<AnyDocument, void, void> {
  checkOptions(model, options);
  const ending = new AbortController();
  const tasks = iterate(model, options, ending.signal);
  const end = follow(options.signal, ending);

  // A generator answers `return()` only after the `next()` under way: ending its wait first makes that at once.
  return Object.assign(Object.create(tasks) as typeof tasks, {
    next: () => tasks.next(),
    return: () => (end(), tasks.return()),
    throw: (error: unknown) => (end(), tasks.throw(error)),
  });
}

async function* iterate(
  model: AnyModel,
  options: QueueOptions,
  signal: AbortSignal,
): AsyncGenerator<AnyDocument, void, void> {
  const { pollMs = 1_000, changeStreams = true, onError: report = reporter(model) } = options;
  const idle = new Idle([model], pollMs, changeStreams);
  try {
    while (!signal.aborted) {
      const task = await next(model, options, idle, signal, report);
      if (task) yield* hold(task, report);
      else await idle.wait(signal);
    }
  } finally {
    idle.close();
  }
}

/** Hands the task out and keeps its lease until the consumer asks for the next, breaks or throws. */
function* hold(task: AnyDocument, report: (error: unknown) => void): Generator<AnyDocument, void, void> {
  const stopRenewing = keepLease(task, report);
  try {
    yield task;
  } finally {
    stopRenewing();
  }
}

// On a lost connection the pop may hang; the queue ends all the same, and what that pop brings later goes back.
async function next(
  model: AnyModel,
  options: QueueOptions,
  idle: Idle,
  signal: AbortSignal,
  report: (error: unknown) => void,
): Promise<AnyDocument | null> {
  const popped = popListening(model, options, idle);
  try {
    const task = await unlessAborted(popped, signal);
    if (!signal.aborted) {
      idle.succeeded(task !== null);
      return task;
    }
    popped.then((late) => late && release(late)).catch(report);
  } catch (error) {
    idle.failed();
    report(error);
  }

  return null;
}

async function popListening(
  model: AnyModel,
  { category, populate }: QueueOptions,
  idle: Idle,
): Promise<AnyDocument | null> {
  await indexesReady(model);
  idle.listen();

  return pop(model, { category, populate });
}

function follow(signal: AbortSignal | undefined, ending: AbortController): () => void {
  const end = () => {
    signal?.removeEventListener('abort', end);
    ending.abort();
  };
  if (signal?.aborted) end();
  else signal?.addEventListener('abort', end, { once: true });

  return end;
}

// Not Promise.race(): what it hangs on a signal that lives long is never taken off again.
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | null> {
  return new Promise((resolve, reject) => {
    const abort = () => resolve(null);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

function reporter(model: AnyModel): (error: unknown) => void {
  let isWarned = false;

  return (error) => {
    if (model.listeners('error').length > 0) {
      model.emit('error', error);
    } else if (!isWarned) {
      isWarned = true;
      process.emitWarning(
        `A queue of ${model.modelName} goes on after: ${String(error)}. Pass \`onError\` to see every one.`,
        'TaskQueueWarning',
      );
    }
  };
}

function checkOptions(model: AnyModel, options: QueueOptions): void {
  refuseUnknown(options, KNOWN, 'queue()');
  checkPopOptions(model, options);
  const { pollMs, changeStreams, signal, onError } = options;
  if (changeStreams !== undefined) requireBoolean('changeStreams', changeStreams);
  if (pollMs !== undefined) requireInteger('pollMs', pollMs, 1, MAX_TIMER_MS, 'milliseconds', '`pollMs: 1_000`');
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw wrongValue('signal', 'an AbortSignal', signal, '`signal: controller.signal`');
  if (onError !== undefined) requireFunction('onError', onError, '`onError: (error) => console.error(error)`');
}
