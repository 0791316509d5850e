import type { AnyDocument, AnyModel } from '../definition/definition';
import { TaskCancelledError } from '../errors';
import { indexesReady } from '../indexes/prepare';
import { whilePopping } from '../observe';
import { checkPopOptions, popNext, type PopOptions } from '../pop/pop';
import { isPermanent } from '../server/permanent';
import { releaseMany } from '../settle/release-many';
import { release } from '../settle/verbs';
import { isHeldBack } from '../side/pause';
import { lease } from '../task/handle';
import type { TellFailed } from '../task/tell-failed';
import {
  MAX_TIMER_MS,
  refuseUnknown,
  requireBoolean,
  requireFunction,
  requireInteger,
  wrongValue,
} from '../values/check';
import { Ending } from './ending';
import { keepLease } from './heartbeat';
import { Idle } from './idle';
import { InHand } from './in-hand';
import { Reporter } from './report';

/** Options of `queue()`. */
export interface QueueOptions extends PopOptions {
  /** How long an idle queue waits between two looks, in milliseconds; the actual wait varies by a fifth. Default: 1 000. */
  pollMs?: number | undefined;

  /**
   * Whether an idle queue hears at once of tasks that other processes push: by a change stream, on a standalone server by signals. The idle
   * consumers of a process share one stream, or one look for signals, per database. Default: `true`.
   */
  changeStreams?: boolean | undefined;

  /** Ends the queue, also while it waits. A task that is claimed at that moment is released. Default: none. */
  signal?: AbortSignal | undefined;

  /**
   * Called with each error after which the queue goes on: a lost connection, a lease that could not be renewed, a task in hand that is to
   * be cancelled (`TaskCancelledError`), a task that failed
   * because the lease of its last attempt ended (`TaskStateError`). What it throws ends the loop, or becomes a process warning where no
   * look is under way. A permanent error, such as a missing right, is thrown instead, and ends the loop.
   * Default: the model's `error` listeners, or a process warning when there are none.
   */
  onError?: ((error: unknown) => void) | undefined;
}

const KNOWN = ['category', 'populate', 'pollMs', 'changeStreams', 'signal', 'onError'];

type Queue = AsyncGenerator<AnyDocument, void, void>;

/** Queues with a pending `next()`: kept here, so that none is garbage-collected before its task comes. */
const asked = new Set<Queue>();
/** Ends the queues that were garbage-collected. */
const dropped = new FinalizationRegistry<() => void>((end) => end());

/** An endless iterator over ready tasks. See `TaskStatics.queue`. */
export function queue(model: AnyModel, options: QueueOptions = {}): Queue {
  checkOptions(model, options);
  const { pollMs = 1_000, changeStreams = true } = options;
  const consumer = {
    model,
    options,
    idle: new Idle([model], pollMs, changeStreams),
    ending: new Ending(options.signal),
    reporter: new Reporter(model, options.onError),
    inHand: new InHand(),
  };
  const iterator = iteratorOf(iterate(consumer), consumer.ending);
  dropped.register(iterator, endingOf(consumer));

  return iterator;
}

interface Consumer {
  readonly model: AnyModel;
  readonly options: QueueOptions;
  readonly idle: Idle;
  readonly ending: Ending;
  readonly reporter: Reporter;
  readonly inHand: InHand;
}

function iteratorOf(tasks: Queue, ending: Ending): Queue {
  const iterator: Queue = Object.assign(Object.create(tasks) as Queue, {
    next: () => {
      ending.follow();
      asked.add(iterator);
      return tasks.next().finally(() => asked.delete(iterator));
    },
    // A generator answers `return()` only after a pending `next()`: ending its wait first makes it answer at once.
    return: () => (ending.end(), tasks.return()),
    throw: (error: unknown) => (ending.end(), tasks.throw(error)),
  });

  return iterator;
}

// A function of its own, so that its closure does not hold the iterator, which it must outlive.
function endingOf({ idle, ending, inHand }: Consumer): () => void {
  return () => {
    inHand.close();
    ending.end();
    idle.close();
  };
}

async function* iterate(consumer: Consumer): Queue {
  const { model, idle, ending, reporter, inHand } = consumer;
  inHand.heed(model, reporter.reportAside);
  try {
    while (!ending.signal.aborted) {
      const task = await next(consumer);
      if (task) yield* hold(task, consumer);
      else await idle.wait(ending.signal);
    }
  } finally {
    inHand.close();
    idle.close();
    ending.end();
  }
}

/** Hands the task out and keeps its lease until the consumer asks for the next, breaks or throws. */
function* hold(task: AnyDocument, { reporter, inHand }: Consumer): Generator<AnyDocument, void, void> {
  const stopRenewing = keepLease(task, reporter.reportAside);
  inHand.take(task);
  try {
    yield task;
  } finally {
    stopRenewing();
    inHand.take(null);
  }
}

// On a lost connection the pop may hang. The queue ends nevertheless, and a task that the pop brings later is released.
async function next(consumer: Consumer): Promise<AnyDocument | null> {
  const { idle, ending, reporter } = consumer;
  const popped = popListening(consumer);
  try {
    const task = await unlessAborted(popped, ending.signal);
    // A pause was heard of while the claim was under way.
    if (task && isHeldBack(task)) await release(task);
    else if (!ending.signal.aborted) {
      idle.succeeded(task !== null);
      return task;
    }
    if (ending.signal.aborted)
      popped.then((late) => late && lease(late) && releaseMany([late])).catch(reporter.reportAside);
  } catch (error) {
    if (isPermanent(error)) throw error;
    idle.failed();
    reporter.report(error);
  }

  return null;
}

async function popListening({ model, options, idle, reporter }: Consumer): Promise<AnyDocument | null> {
  const { category, populate } = options;
  await indexesReady(model);
  idle.listen();

  const tell: TellFailed = (error) => error instanceof TaskCancelledError || reporter.reportAside(error);
  return whilePopping(model, () => popNext(model, { category, populate }, tell));
}

// Not Promise.race(): a listener that it leaves on a long-lived signal is never removed.
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | null> {
  return new Promise((resolve, reject) => {
    const abort = () => resolve(null);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
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
